#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

// What programs ask a file system most. For the rest of it call std::filesystem in to_thread. Call these by their full names, os::exists(path):
// an unqualified call finds those of std::filesystem too.
namespace tombolo::os {

struct file_status {
    std::filesystem::file_type type = std::filesystem::file_type::none;
    std::filesystem::perms permissions = std::filesystem::perms::none;
    /// Units: bytes.
    std::uint64_t size = 0;
    std::chrono::system_clock::time_point modified = {};
};

/// What there is at the end of all symbolic links.
/// Checkpoint: always. Cancellation: before it is asked. Throws: io_error with the path, ENOENT when there is nothing; cancelled;
/// not_in_run, not_in_task and their kin. Source: trio.Path.stat.
[[nodiscard]] file_status status(std::filesystem::path path);

/// Whether status() would find something. Checkpoint: always. Throws: as status(), but for ENOENT and ENOTDIR.
/// Source: trio.Path.exists.
[[nodiscard]] bool exists(std::filesystem::path path);

/// Removes a file, a symbolic link, or an empty directory. False when there is nothing.
/// Checkpoint: always. Throws: as status(). Source: trio.Path.unlink, trio.Path.rmdir.
bool remove(std::filesystem::path path);

/// The names in a directory, sorted.
/// Checkpoint: always. Throws: as status(). Source: trio.Path.iterdir.
[[nodiscard]] std::vector<std::string> list_directory(std::filesystem::path path);

}  // namespace tombolo::os
