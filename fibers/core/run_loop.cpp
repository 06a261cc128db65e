#include "fibers/core/run_loop.hpp"

#include "fibers/core/cancel_status.hpp"
#include "fibers/core/delivery.hpp"
#include "fibers/core/event_wait.hpp"
#include "fibers/core/hooks.hpp"
#include "fibers/core/interrupts.hpp"
#include "fibers/core/run_context.hpp"
#include "fibers/core/scheduling.hpp"
#include "fibers/core/spawn.hpp"

#include <tombolo/fibers/task_tree.hpp>

#include <algorithm>
#include <chrono>
#include <sstream>
#include <vector>

namespace tombolo::kernel {

namespace {

using namespace std::chrono_literals;

/// Asks the clock; a clock that throws is not asked again, and time stands still.
template <class Ask>
auto ask_clock(run_state& run, Ask&& ask, decltype(ask(*run.clock)) otherwise) noexcept {
    if (run.clock_failed) return otherwise;
    try {
        const forbid_parking guard(refusal::clock);
        return ask(*run.clock);
    } catch (...) {
        run.clock_failed = true;
        crash(run, "the run's clock threw", std::current_exception());
        return otherwise;
    }
}

void look_at_posts(run_state& run) noexcept {
    if (!run.entries->wake_up.raised()) return;
    run.entries->wake_up.lower();
    take_interrupt(run);
    if (run.entry_task != nullptr && run.entries->has_jobs()) wake(*std::exchange(run.entry_task, nullptr));
}

bool nothing_can_happen(const run_state& run, const wait_plan& plan) noexcept {
    // A token held outside the run's own record may still bring work.
    return plan.timeout == duration::max() && !run.awaits_descriptors() &&
        run.entries.use_count() == run.own_entry_references;
}

void report_deadlock(run_state& run) noexcept {
    run.deadlocked = true;
    run.deadlock_text = "deadlock: every task of this run waits, and nothing is left that could wake one.\n" +
        ask_clock(run, [](const clock&) { return lowlevel::task_tree(); }, std::string());
    scope_access::cancel(*run.root_scope, [] { return make_reason(cancel_source::unknown, "deadlock"); });
}

wait_plan plan_wait(run_state& run) noexcept {
    wait_plan plan;
    if (!run.queue.empty()) return plan;
    const time_point next = run.deadlines.next();
    plan.timeout = next == time_point::max()
        ? duration::max()
        : ask_clock(run, [&](const clock& c) { return c.time_until(next); }, duration::max());
    plan.timeout = std::max(plan.timeout, 0ns);
    if (!run.idle_waiters.empty()) {
        plan.cushion = run.idle_waiters.shortest_cushion();
        if (plan.cushion < plan.timeout) {
            plan.timeout = plan.cushion;
            plan.when_idle = idle_purpose::wake_idle_waiters;
        }
        return plan;
    }
    // Without a deadline there is nothing to jump to, so the threshold must not wake us again and again.
    if (next != time_point::max()) {
        const duration threshold =
            ask_clock(run, [](const clock& c) { return c.autojump_threshold(); }, duration::max());
        if (threshold < plan.timeout) {
            plan.timeout = threshold;
            plan.when_idle = idle_purpose::autojump;
        }
    }
    return plan;
}

void act_on_idleness(run_state& run, const wait_plan& plan) noexcept {
    if (plan.when_idle == idle_purpose::wake_idle_waiters) {
        while (task_state* waiter = run.idle_waiters.take_first(plan.cushion)) wake(*waiter);
    } else if (const time_point next = run.deadlines.next(); next != time_point::max()) {
        const bool ahead = ask_clock(run, [&](const clock& c) { return c.now() < next; }, false);
        if (ahead) {
            ask_clock(run, [&](clock& c) { return c.autojump(next), true; }, true);
            expire_deadlines(run);
        }
    }
}

/// A seeded run orders each batch by age and shuffles it, so that the order depends on the seed alone.
void shuffle_batch(run_state& run) noexcept {
    std::vector<task_state*> tasks;
    tasks.reserve(run.queue.size());
    for (run_link* link = run.queue.mark().next; !run.queue.at_mark(link); link = link->next)
        tasks.push_back(&task_of(*link));
    std::ranges::sort(tasks, {}, &task_state::id);
    for (std::size_t i = tasks.size(); i > 1; --i) std::swap(tasks[i - 1], tasks[(*run.random)() % i]);
    for (task_state* task : tasks) {
        run.queue.remove(*task);
        run.queue.push(*task);
    }
}

/// Resumes `task` and comes back when the run loop is needed: in stepwise mode after this one step, otherwise after the
/// batch (and perhaps several more).
void resume(run_state& run, task_state& task) noexcept {
    enter_task(task);
    switch_fiber(run.queue.mark().fiber, task.fiber);
}

void step(run_state& run, task_state& task) noexcept {
    run.queue.head(&task);
    run.stepped = &task;
    run.stepped_task_exited = false;
    hooks::before_task_step(run, task);
    resume(run, task);
    if (run.attends(attention_bits::stepwise)) hooks::after_task_step(run, task);
    if (run.stepped_task_exited) free_record(task);
    run.stepped = nullptr;
}

void run_batch(run_state& run) noexcept {
    // Tasks leave the head where the next one is to be resumed: at the mark when the batch is used up.
    run.queue.head(run.queue.mark().next);
    while (!run.queue.at_mark(run.queue.head())) {
        task_state& next = task_of(*run.queue.head());
        if (!has_started(next.fiber)) {
            run_link* after = next.next;
            if (!prepare_first_step(next)) {
                run.queue.head(after);
                continue;
            }
        }
        if (run.attends(attention_bits::stepwise))
            step(run, next);
        else
            resume(run, next);
    }
}

}  // namespace

bool expire_deadlines(run_state& run) noexcept {
    if (run.deadlines.empty()) return false;
    return run.deadlines.expire(ask_clock(run, [](const clock& c) { return c.now(); }, time_point::min()));
}

wait_plan begin_pass(run_state& run) noexcept {
    if (run.forked()) [[unlikely]]
        give_up_forked_run("the host of a guest run, or the run itself, goes on in the child");
    look_at_posts(run);
    wait_plan plan = plan_wait(run);
    if (run.detect_deadlock && !run.deadlocked && plan.timeout > 0ns && nothing_can_happen(run, plan)) {
        report_deadlock(run);
        plan = {};
    }
    hooks::before_io_wait(run, plan.timeout);
    // A hook may have made somebody runnable.
    if (!run.queue.empty()) plan = {};
    return plan;
}

void finish_pass(run_state& run, const wait_plan& plan, bool events) noexcept {
    hooks::after_io_wait(run, plan.timeout);
    look_at_posts(run);
    const bool expired = expire_deadlines(run);
    if (plan.when_idle != idle_purpose::none && !events && !expired && run.queue.empty()) act_on_idleness(run, plan);
    if (run.random) shuffle_batch(run);
    run.budget.restart();
    run_batch(run);
}

void run_pass(run_state& run) noexcept {
    const wait_plan plan = begin_pass(run);
    finish_pass(run, plan, wait_for_events(run, plan.timeout));
}

}  // namespace tombolo::kernel
