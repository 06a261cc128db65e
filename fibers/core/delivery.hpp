#pragma once

#include "fibers/core/cancelled_access.hpp"
#include "fibers/core/run_state.hpp"

#include <tombolo/fibers/errors.hpp>
#include <tombolo/fibers/kernel/wait_record.hpp>

namespace tombolo::kernel {

/// True when a keyboard interrupt waits for `task` and may be thrown.
inline bool interrupt_due(const run_state& run, const task_state& task) noexcept {
    return run.attends(attention_bits::interrupt) && &task == run.main && !task.interrupt_protected;
}

/// True when the next checkpoint of `task` throws. Requires: task.status is not null.
inline bool must_interrupt(const run_state& run, const task_state& task) noexcept {
    return task.status->effectively_cancelled || interrupt_due(run, task);
}

/// Throws what the current task has coming: a keyboard interrupt before a cancellation.
[[noreturn]] void raise_interruption(task_state& task);

/// Cancellation and keyboard interrupts reach a parked task here and nowhere else: its abort function is called, at most
/// once per wait, and if it answers `succeeded` the task is rescheduled with the error.
struct delivery {
    /// Does nothing when the task is not parked, was aborted before, or has nothing coming.
    static void attempt(task_state& task) noexcept;

    static lowlevel::raise_cancel make_cancel(std::shared_ptr<const cancel_reason> reason) noexcept;
    static lowlevel::raise_cancel make_interrupt(run_state& run) noexcept;
    static std::shared_ptr<const cancel_reason> take_reason(lowlevel::raise_cancel& raise) noexcept {
        return std::move(raise.reason_);
    }
};

/// Marks the run's pending keyboard interrupt as thrown.
void consume_interrupt(run_state& run) noexcept;

/// The machinery, an abort function or a callback failed: everything is cancelled, and the run ends with internal_error.
void crash(run_state& run, const std::string& text, std::exception_ptr cause) noexcept;

}  // namespace tombolo::kernel
