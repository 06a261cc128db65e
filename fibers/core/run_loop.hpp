#pragma once

#include "fibers/core/run_state.hpp"

namespace tombolo::kernel {

enum class idle_purpose { none, wake_idle_waiters, autojump };

/// What a pass is prepared to do if nothing happens while it waits.
struct wait_plan {
    duration timeout{};
    idle_purpose when_idle = idle_purpose::none;
    duration cushion{};
};

/// One pass of the scheduler: waits for events (not at all while tasks are runnable), expires deadlines, wakes idle waiters
/// or jumps the test clock, and runs the tasks that were runnable then.
/// Requires: called on the fiber of the queue's mark, with no task current.
void run_pass(run_state& run) noexcept;

/// The two halves of a pass, for drivers that leave the waiting to somebody else. Takes what other threads posted, and says
/// how long to wait for events at most: not at all while tasks are runnable.
wait_plan begin_pass(run_state& run) noexcept;

/// `events`: the wait brought something or was cut short, so the run has not been idle.
void finish_pass(run_state& run, const wait_plan& plan, bool events) noexcept;

}  // namespace tombolo::kernel
