#pragma once

#include "fibers/core/task_state.hpp"

#include <tombolo/fibers/errors.hpp>

namespace tombolo::kernel {

/// How many `cancelled` a task throws, without one of them reaching its scope, before somebody is told.
inline constexpr unsigned suspicious_cancels = 1000;

/// For when the current task is about to throw `cancelled` at a checkpoint: says on stderr what no exception could tell any
/// more. Either the stack is being unwound by another exception and no scope lies in between, so that std::terminate is
/// near; or the task has thrown suspicious_cancels of them in a row, so that something must be swallowing them.
void diagnose_cancel(task_state& task, const cancel_reason& reason) noexcept;

/// A `cancelled` has reached its scope.
inline void forgive_cancels(task_state& task) noexcept { task.cancels_in_a_row = 0; }

}  // namespace tombolo::kernel
