#pragma once

#include <tombolo/base/bytes.hpp>
#include <tombolo/base/unique_fd.hpp>
#include <tombolo/fibers/os/file.hpp>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

// What file and its kin do in threads: system calls on files until all is done. All of them throw io_error, which names the
// call and the path.
namespace tombolo::kernel {

[[noreturn]] void throw_file_error(const char* what, const std::string& path);

/// Repeats a system call while a signal interrupts it.
template <class Call>
auto uninterrupted(Call call) {
    for (;;) {
        const auto result = call();
        if (result >= 0 || errno != EINTR) return result;
    }
}

unique_fd open_path(const std::filesystem::path& path, int flags, unsigned permissions, const char* what);

/// At the position without an offset.
std::size_t read_part(
    int fd, mutable_bytes into, std::optional<std::uint64_t> offset, const char* what, const std::string& path);
void write_whole(
    int fd, const_bytes bytes, std::optional<std::uint64_t> offset, const char* what, const std::string& path);

/// Appends what is left of the file to `all`.
void read_rest(int fd, std::string& all, const char* what, const std::string& path);

}  // namespace tombolo::kernel
