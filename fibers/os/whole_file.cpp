#include <tombolo/fibers/os/whole_file.hpp>

#include "fibers/os/file_calls.hpp"

#include <tombolo/base/scope_exit.hpp>
#include <tombolo/fibers/errors.hpp>
#include <tombolo/fibers/to_thread.hpp>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace tombolo::os {

namespace {

constexpr const char* writing = "write_file";

struct new_file {
    unique_fd fd;
    std::string path;
};

/// A new file in the folder of the one that it will replace.
new_file make_beside(const std::filesystem::path& path, unsigned permissions) {
    static std::atomic<unsigned> number{0};
    for (;;) {
        std::string name = path.native() + '.' + std::to_string(::getpid()) + '-' + std::to_string(++number) + ".new";
        unique_fd fd(::open(name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, permissions));
        if (fd) return {std::move(fd), std::move(name)};
        if (errno != EEXIST && errno != EINTR) kernel::throw_file_error(writing, path.native());
    }
}

void replace(const std::filesystem::path& path, const_bytes bytes, unsigned permissions) {
    const auto require = [&](int result) {
        if (result != 0) kernel::throw_file_error(writing, path.native());
    };
    const new_file made = make_beside(path, permissions);
    scope_exit remove([&] { ::unlink(made.path.c_str()); });
    struct stat old{};
    if (::stat(path.c_str(), &old) == 0) require(::fchmod(made.fd.get(), old.st_mode & 07777));
    kernel::write_whole(made.fd.get(), bytes, std::nullopt, writing, path.native());
    require(kernel::uninterrupted([&] { return ::fsync(made.fd.get()); }));
    require(::rename(made.path.c_str(), path.c_str()));
    remove.release();
}

}  // namespace

std::string read_file(std::filesystem::path path) {
    return to_thread([&path] {
        const unique_fd fd = kernel::open_path(path, O_RDONLY, 0, "read_file");
        std::string all;
        kernel::read_rest(fd.get(), all, "read_file", path.native());
        return all;
    });
}

void write_file(std::filesystem::path path, const_bytes bytes, const write_file_options& options) {
    if (options.append && options.atomic)
        throw usage_error("write_file: append and atomic do not go together; read the file first, and write all of it");
    to_thread([&] {
        if (options.atomic) return replace(path, bytes, options.permissions);
        const int flags = O_WRONLY | O_CREAT | (options.append ? O_APPEND : O_TRUNC);
        unique_fd fd = kernel::open_path(path, flags, options.permissions, writing);
        kernel::write_whole(fd.get(), bytes, std::nullopt, writing, path.native());
        if (::close(fd.release()) != 0 && errno != EINTR) kernel::throw_file_error(writing, path.native());
    });
}

}  // namespace tombolo::os
