#pragma once

#include "fibers/core/forks.hpp"
#include "fibers/core/task_state.hpp"

#include <tombolo/fibers/kernel/this_thread.hpp>

#include <utility>

namespace tombolo::kernel {

/// Throws what fits `this_thread.why`; `what` names the function that was called.
[[noreturn]] void refuse_to_park(const char* what);

/// The current task, if it may block now.
/// Throws: not_in_run, not_in_task, checkpoint_forbidden, wrong_flavour.
inline task_state& require_may_park(const char* what) {
    task_state* task = this_thread.may_park;
    if (task == nullptr) [[unlikely]]
        refuse_to_park(what);
    return *task;
}

/// Throws: not_in_run.
run_state& require_run(const char* what);
/// Throws: not_in_run, not_in_task.
task_state& require_task(const char* what);
/// Throws: wrong_thread unless `run` is the one installed on this thread.
void require_same_run(const run_state* run, const char* what);

/// The current task, whether it may block or not; null when there is none.
inline task_state* current_task() noexcept {
    return this_thread.may_park != nullptr ? this_thread.may_park : this_thread.barred;
}

/// True in the child of a fork, in code of the parent's run.
inline bool in_forked_run() noexcept { return this_thread.why == refusal::forked && this_thread.may_park == nullptr; }

/// Marks `task` as the one that runs from now on and may block.
inline void enter_task(task_state& task) noexcept { this_thread.may_park = &task; }

/// Marks that no task runs.
inline void enter_no_task() noexcept {
    this_thread.may_park = nullptr;
    this_thread.barred = nullptr;
    this_thread.why = refusal::outside_task;
}

/// While it lives, blocking is refused for the given reason. Strictly nested; no switch happens inside.
class forbid_parking {
public:
    explicit forbid_parking(refusal why) noexcept : forbid_parking(why, current_task()) {}

    /// As if `task` (null: none) were current.
    // Member by member: reading all of this_thread at once would wait for the stores of the switch to reach the cache.
    forbid_parking(refusal why, task_state* task) noexcept
        : may_park_(this_thread.may_park), barred_(this_thread.barred), why_(this_thread.why) {
        this_thread.may_park = nullptr;
        this_thread.barred = task;
        this_thread.why = why;
    }
    forbid_parking(const forbid_parking&) = delete;
    forbid_parking& operator=(const forbid_parking&) = delete;
    ~forbid_parking() {
        this_thread.may_park = may_park_;
        this_thread.barred = barred_;
        this_thread.why = why_;
        run_context_restored();
    }

private:
    task_state* may_park_;
    task_state* barred_;
    refusal why_;
};

}  // namespace tombolo::kernel
