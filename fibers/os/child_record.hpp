#pragma once

#include "fibers/os/child_start.hpp"

#include <tombolo/fibers/kernel/owned_fd.hpp>
#include <tombolo/fibers/mutex.hpp>
#include <tombolo/fibers/os/command.hpp>
#include <tombolo/fibers/os/fd_stream.hpp>

#include <optional>

namespace tombolo::kernel {

/// What the handles of one child share.
struct child_record {
    child_record(const os::command& started, started_child child)
        : command(started), pid(child.pid), pidfd(std::move(child.pidfd)) {}
    child_record(const child_record&) = delete;
    child_record& operator=(const child_record&) = delete;
    /// Leaves a running child to a thread that waits for its end.
    ~child_record();

    /// Collects the child's status if it has ended: it is known from then on, and the pidfd is closed, which ends a wait for it.
    std::optional<int> look() noexcept;

    // Invariants:
    // 1. While returncode is empty the child is ours to wait for, and its number is not given to another process.
    // 2. returncode is set => pidfd is closed.
    os::command command;
    int pid;
    owned_fd pidfd;
    std::optional<int> returncode;
    mutex waiting;  ///< who holds it waits for the pidfd
    os::fd_stream standard_input;
    os::fd_stream standard_output;
    os::fd_stream standard_error;
};

}  // namespace tombolo::kernel
