#pragma once

#include "fibers/core/run_context.hpp"
#include "fibers/core/run_state.hpp"

namespace tombolo::kernel {

void tell_scheduled(run_state& run, task_state& task) noexcept;

/// The run's driver must not wait any longer: host code made somebody runnable or moved a deadline.
void rouse(run_state& run) noexcept;
/// What make_runnable does when the run is watched or dormant.
void attend_to_runnable(run_state& run, task_state& task) noexcept;

inline task_state& task_of(run_link& link) noexcept { return static_cast<task_state&>(link); }

/// Appends a task to those that run in the next pass. Never runs anyone.
inline void make_runnable(run_state& run, task_state& task) noexcept {
    run.queue.push(task);
    if (run.attends(attention_bits::watched | attention_bits::dormant)) [[unlikely]]
        attend_to_runnable(run, task);
}

/// Ends a park whose record has been filled in: the one place where a parked task becomes runnable.
/// Requires: task.wait != null.
inline void wake(task_state& task) noexcept {
    task.wait->abort_fn = nullptr;
    task.wait = nullptr;
    task.sleep_data = nullptr;
    // A task that is aborted while it goes to sleep has not left the queue yet.
    if (!run_queue::contains(task)) [[likely]]
        make_runnable(*task.run, task);
    else if (task.run->attends(attention_bits::watched))
        tell_scheduled(*task.run, task);
}

/// Gives an unstarted task its stack. When there is none to be had the task ends with that error, without having run,
/// and the answer is false.
bool prepare_first_step(task_state& task) noexcept;

/// The batch is used up: whether the next one may begin without a look at I/O, deadlines and other threads.
inline bool may_begin_batch(run_state& run) noexcept {
    return !run.attends(attention_bits::whole_passes) && !run.entries->wake_up.raised() &&
        run.budget.may_continue(run.queue.size()) && !run.queue.empty();
}

/// Makes `candidate` the head of the queue, or whoever comes after it if it is the mark or cannot be started. Returns the
/// task to resume, null when the run loop has to decide.
inline task_state* advance_to(run_state& run, run_link* candidate) noexcept {
    for (;;) {
        if (run.queue.at_mark(candidate)) [[unlikely]] {
            run.queue.head(candidate);
            if (!may_begin_batch(run)) return nullptr;
            candidate = candidate->next;
        }
        run.queue.head(candidate);
        if (run.attends(attention_bits::stepwise)) [[unlikely]]
            return nullptr;
        task_state& next = task_of(*candidate);
        if (has_started(next.fiber)) [[likely]]
            return &next;
        run_link* after = candidate->next;
        if (prepare_first_step(next)) return &next;
        candidate = after;
    }
}

/// Runnable tasks that the first-level data cache holds together with their stacks.
inline constexpr std::size_t prefetch_from = 32;

/// Suspends the current task and resumes `next`, or the run loop when that is null. Returns when the task is resumed.
[[gnu::always_inline]] inline void suspend(run_state& run, task_state& self, task_state* next) noexcept {
    if (next == &self) return;
    if (next != nullptr) [[likely]] {
        enter_task(*next);
        switch_fiber(self.fiber, next->fiber);
    } else {
        enter_no_task();
        switch_fiber(self.fiber, run.queue.mark().fiber);
    }
}

/// yield, whatever there is to attend to.
void yield_slowly(run_state& run, task_state& self) noexcept;

/// The fast path of a yield: hands the head on. Returns the link to switch to; null when yield_slowly has to decide; `self`
/// when nobody else is runnable.
[[gnu::always_inline]] inline run_link* hand_on(run_state& run, task_state& self) noexcept {
    run_link* next = self.next;
    // Many tasks do not fit the first-level cache: what comes after the next is fetched while the next one runs.
    if (run.queue.size() > prefetch_from) {
        const run_link* soon = next->next;
        __builtin_prefetch(innermost_frame(soon->fiber.context));
        __builtin_prefetch(soon->next);
    }
    if (run.attends(attention_bits::watched)) [[unlikely]]
        return nullptr;
    if (run.queue.at_mark(next)) {
        if (!may_begin_batch(run)) [[unlikely]]
            return nullptr;
        next = next->next;
    }
    if (!has_started(next->fiber)) [[unlikely]]
        return nullptr;
    run.queue.head(next);
    enter_task(task_of(*next));
    return next;
}

/// Lets every other runnable task run.
[[gnu::always_inline]] inline void yield(run_state& run, task_state& self) noexcept {
    run_link* next = hand_on(run, self);
    if (next == nullptr) [[unlikely]]
        return yield_slowly(run, self);
    if (next != &self) switch_fiber(self.fiber, next->fiber);
}

/// Takes a task that is going to sleep out of the queue. Returns whom to resume, null for the run loop.
[[gnu::always_inline]] inline task_state* leave_queue(run_state& run, task_state& self) noexcept {
    run_link* after = self.next;
    // An abort function may have woken it already.
    if (self.wait != nullptr) [[likely]] {
        // Not remove(): the head has to leave, and what becomes runnable until the switch joins before its successor.
        run.queue.head(after);
        run.queue.remove(self);
    }
    return advance_to(run, after);
}

/// Gives up the thread until somebody wakes the task.
[[gnu::always_inline]] inline void sleep(run_state& run, task_state& self) noexcept {
    suspend(run, self, leave_queue(run, self));
}

#if defined(TOMBOLO_INLINE_CHECKPOINT)

/// yield and sleep up to the switch itself, which the caller makes.
[[gnu::always_inline]] inline switch_plan plan_yield(run_state& run, task_state& self) noexcept {
    run_link* next = hand_on(run, self);
    if (next == nullptr) [[unlikely]] {
        yield_slowly(run, self);
        return {nullptr, nullptr};
    }
    if (next == &self) return {nullptr, nullptr};
    exchange_exceptions(self.fiber, next->fiber);
    return {&self.fiber.context, &next->fiber.context};
}

[[gnu::always_inline]] inline switch_plan plan_sleep(run_state& run, task_state& self) noexcept {
    task_state* next = leave_queue(run, self);
    if (next == &self) return {nullptr, nullptr};
    fiber& target = next != nullptr ? next->fiber : run.queue.mark().fiber;
    if (next != nullptr)
        enter_task(*next);
    else
        enter_no_task();
    exchange_exceptions(self.fiber, target);
    return {&self.fiber.context, &target.context};
}

#endif

}  // namespace tombolo::kernel
