#include "fibers/os/file_calls.hpp"

#include <tombolo/fibers/io_error.hpp>

#include <algorithm>
#include <cerrno>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace tombolo::kernel {

void throw_file_error(const char* what, const std::string& path) {
    const int error = errno;
    throw io_error(error, std::string(what) + ": " + (path.empty() ? "a file" : '"' + path + '"'));
}

unique_fd open_path(const std::filesystem::path& path, int flags, unsigned permissions, const char* what) {
    unique_fd fd(uninterrupted([&] { return ::open(path.c_str(), flags | O_CLOEXEC | O_NOCTTY, permissions); }));
    if (!fd) throw_file_error(what, path.native());
    return fd;
}

std::size_t read_part(
    int fd, mutable_bytes into, std::optional<std::uint64_t> offset, const char* what, const std::string& path) {
    const ssize_t count = uninterrupted([&] {
        return offset ? ::pread(fd, into.data(), into.size(), static_cast<off_t>(*offset))
                      : ::read(fd, into.data(), into.size());
    });
    if (count < 0) throw_file_error(what, path);
    return static_cast<std::size_t>(count);
}

void write_whole(
    int fd, const_bytes bytes, std::optional<std::uint64_t> offset, const char* what, const std::string& path) {
    while (!bytes.empty()) {
        const ssize_t count = uninterrupted([&] {
            return offset ? ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(*offset))
                          : ::write(fd, bytes.data(), bytes.size());
        });
        if (count < 0) throw_file_error(what, path);
        bytes = bytes.from(static_cast<std::size_t>(count));
        if (offset) *offset += static_cast<std::uint64_t>(count);
    }
}

void read_rest(int fd, std::string& all, const char* what, const std::string& path) {
    constexpr std::size_t least = 4096;
    constexpr std::size_t most = std::size_t{1} << 30;
    struct stat status{};
    std::size_t expected = least;
    // One byte more than there is: then the second read finds the end without growing the string.
    if (::fstat(fd, &status) == 0 && status.st_size > 0)
        expected = std::clamp(static_cast<std::size_t>(status.st_size) + 1, least, most);
    for (;;) {
        const std::size_t had = all.size();
        all.resize(had + expected);
        const std::size_t count = read_part(fd, mutable_bytes(all).from(had), std::nullopt, what, path);
        all.resize(had + count);
        if (count == 0) return;
        if (count == expected) expected = std::min(expected * 2, most);
    }
}

}  // namespace tombolo::kernel
