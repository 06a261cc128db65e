#include <tombolo/fibers/os/filesystem.hpp>

#include "fibers/os/file_calls.hpp"

#include <tombolo/fibers/io_error.hpp>
#include <tombolo/fibers/to_thread.hpp>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <system_error>

#include <sys/stat.h>

namespace tombolo::os {

namespace {

using std::filesystem::file_type;

file_type type_of(mode_t mode) {
    switch (mode & S_IFMT) {
    case S_IFREG:
        return file_type::regular;
    case S_IFDIR:
        return file_type::directory;
    case S_IFBLK:
        return file_type::block;
    case S_IFCHR:
        return file_type::character;
    case S_IFIFO:
        return file_type::fifo;
    case S_IFSOCK:
        return file_type::socket;
    default:
        return file_type::unknown;
    }
}

/// Empty when there is nothing.
std::optional<file_status> look_at(const std::filesystem::path& path, const char* what) {
    struct stat found{};
    if (::stat(path.c_str(), &found) != 0) {
        if (errno == ENOENT || errno == ENOTDIR) return std::nullopt;
        kernel::throw_file_error(what, path.native());
    }
    const auto modified = std::chrono::seconds(found.st_mtim.tv_sec) + std::chrono::nanoseconds(found.st_mtim.tv_nsec);
    return file_status{
        .type = type_of(found.st_mode),
        .permissions = static_cast<std::filesystem::perms>(found.st_mode & 07777),
        .size = static_cast<std::uint64_t>(found.st_size),
        .modified = std::chrono::system_clock::time_point(
            std::chrono::duration_cast<std::chrono::system_clock::duration>(modified))};
}

[[noreturn]] void throw_as_io_error(const std::error_code& error, const char* what, const std::filesystem::path& path) {
    errno = error.value();
    kernel::throw_file_error(what, path.native());
}

}  // namespace

file_status status(std::filesystem::path path) {
    return to_thread([&path] {
        const std::optional<file_status> found = look_at(path, "status");
        if (!found) kernel::throw_file_error("status", path.native());
        return *found;
    });
}

bool exists(std::filesystem::path path) {
    return to_thread([&path] { return look_at(path, "exists").has_value(); });
}

bool remove(std::filesystem::path path) {
    return to_thread([&path] {
        std::error_code error;
        const bool removed = std::filesystem::remove(path, error);
        if (error) throw_as_io_error(error, "remove", path);
        return removed;
    });
}

std::vector<std::string> list_directory(std::filesystem::path path) {
    return to_thread([&path] {
        std::vector<std::string> names;
        std::error_code error;
        std::filesystem::directory_iterator each(path, error);
        for (; !error && each != std::filesystem::directory_iterator(); each.increment(error))
            names.push_back(each->path().filename().native());
        if (error) throw_as_io_error(error, "list_directory", path);
        std::ranges::sort(names);
        return names;
    });
}

}  // namespace tombolo::os
