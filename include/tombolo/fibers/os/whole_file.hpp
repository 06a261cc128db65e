#pragma once

#include <tombolo/base/bytes.hpp>

#include <filesystem>
#include <string>

namespace tombolo::os {

struct write_file_options {
    /// Keeps what is in the file and writes behind it.
    bool append = false;
    /// Whoever reads the file, also after a crash, finds the old contents or the new: they are written into a file beside it, which
    /// takes its place when it is complete and on the device. The old permissions stay, hard links and symbolic links do not
    /// follow. Not together with append.
    bool atomic = false;
    /// Of a file that is made; the process's umask takes away from it.
    unsigned permissions = 0666;
};

/// All of a file. What it takes happens in one thread call: use open_file for parts, or for files larger than memory.
/// Checkpoint: always. Cancellation: before the reading begins. Throws: io_error with the path; cancelled; not_in_run, not_in_task and their
/// kin. Source: trio.Path.read_bytes.
[[nodiscard]] std::string read_file(std::filesystem::path path);

/// Makes a file of these bytes, or replaces what is in it.
/// Checkpoint: always. Cancellation: before the writing begins. Throws: io_error with the path, after which the file may have a part of the
/// bytes, but not with options.atomic; usage_error for options that contradict each other; cancelled; not_in_run, not_in_task
/// and their kin. Source: trio.Path.write_bytes.
void write_file(std::filesystem::path path, const_bytes bytes, const write_file_options& options = {});

}  // namespace tombolo::os
