#pragma once

#include "fibers/core/run_context.hpp"
#include "fibers/core/scheduling.hpp"

namespace tombolo::kernel {

/// A park up to the switch, for when there is nothing to attend to: the task is not cancelled, and the next one can be
/// resumed as it is. Returns the link to switch to. Null: nothing has changed, and the long way has to be taken.
[[gnu::always_inline]] inline run_link* park_quickly(run_state& run, task_state& self, wait_record& wait) noexcept {
    if (self.status->effectively_cancelled || run.attention != 0) [[unlikely]]
        return nullptr;
    run_link* next = self.next;
    if (run.queue.at_mark(next)) {
        if (run.entries->wake_up.raised() || !run.budget.may_continue(run.queue.size() - 1)) [[unlikely]]
            return nullptr;
        next = next->next;
        if (next == &self) return nullptr;
    }
    if (!has_started(next->fiber)) [[unlikely]]
        return nullptr;
    ++self.wait_generation;
    self.wait = &wait;
    wait.waiter = &self;
    run.queue.remove(self);
    run.queue.head(next);
    enter_task(task_of(*next));
    return next;
}

/// Requires: the wait ended with an error.
[[noreturn]] void throw_what_woke(task_state& self, wait_record& wait);

/// What follows the switch back.
inline void wake_up_in(task_state& self, wait_record& wait) {
    ++self.fiber.owner_count;
    if (static_cast<unsigned>(wait.cancel != nullptr) | static_cast<unsigned>(wait.error != nullptr) |
        static_cast<unsigned>(wait.interrupted)) [[unlikely]]
        throw_what_woke(self, wait);
}

#if defined(TOMBOLO_INLINE_CHECKPOINT)

/// Every other park up to the switch.
switch_plan plan_slow_park(run_state& run, task_state& self, wait_record& wait) noexcept;

[[gnu::always_inline]] inline switch_plan plan_park(run_state& run, task_state& self, wait_record& wait) noexcept {
    run_link* next = park_quickly(run, self, wait);
    if (next == nullptr) [[unlikely]]
        return plan_slow_park(run, self, wait);
    exchange_exceptions(self.fiber, next->fiber);
    return {&self.fiber.context, &next->fiber.context};
}

#endif

}  // namespace tombolo::kernel
