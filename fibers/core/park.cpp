#include <tombolo/fibers/park.hpp>

#include "fibers/core/cancel_diagnosis.hpp"
#include "fibers/core/delivery.hpp"
#include "fibers/core/interrupts.hpp"
#include "fibers/core/quick_park.hpp"
#include "fibers/core/scheduling.hpp"

#include <string>

namespace tombolo {

namespace kernel {

namespace {

void go_to_sleep(run_state& run, task_state& self, wait_record& wait) noexcept {
    ++self.wait_generation;
    self.wait = &wait;
    wait.waiter = &self;
    if (must_interrupt(run, self)) [[unlikely]] {
        // An interrupt that has come, though no pass has noticed it yet, is told before the cancellation.
        if (run.entries->wake_up.raised()) take_interrupt(run);
        delivery::attempt(self);
    }
}

}  // namespace

void throw_what_woke(task_state& self, wait_record& wait) {
    if (wait.cancel != nullptr) {
        diagnose_cancel(self, *wait.cancel);
        cancelled_access::raise(std::move(wait.cancel));
    }
    if (wait.interrupted) throw keyboard_interrupt();
    std::rethrow_exception(std::move(wait.error));
}

#if defined(TOMBOLO_INLINE_CHECKPOINT)

switch_plan plan_slow_park(run_state& run, task_state& self, wait_record& wait) noexcept {
    go_to_sleep(run, self, wait);
    return plan_sleep(run, self);
}

switch_plan begin_park(wait_record& wait) {
    task_state& self = require_may_park(wait.where);
    return plan_park(*this_thread.run, self, wait);
}

void end_park(wait_record& wait) { wake_up_in(*this_thread.may_park, wait); }

#else

void park(wait_record& wait) {
    task_state& self = require_may_park(wait.where);
    run_state& run = *this_thread.run;
    if (run_link* next = park_quickly(run, self, wait)) [[likely]] {
        switch_fiber(self.fiber, next->fiber);
    } else {
        go_to_sleep(run, self, wait);
        sleep(run, self);
    }
    wake_up_in(self, wait);
}

#endif

namespace {

wait_record& require_parked(task& waiter, const char* what) {
    auto& state = static_cast<task_state&>(waiter);
    require_same_run(state.run, what);
    if (state.wait == nullptr)
        throw invalid_reschedule(
            std::string(what) + ": task \"" + waiter.name() +
            "\" is not parked: it was rescheduled already or never parked; each park takes exactly one "
            "reschedule (a wait_ticket tells late wake-ups apart)");
    if (state.extras != nullptr && state.extras->detached != nullptr)
        throw invalid_reschedule(
            std::string(what) + ": the fiber of task \"" + waiter.name() +
            "\" is detached; it comes back by reattach() and by nothing else");
    return *state.wait;
}

}  // namespace

void* accept_value(task& waiter, const void* value_type) {
    wait_record& wait = require_parked(waiter, "reschedule");
    if (wait.value_type != value_type)
        throw invalid_reschedule(
            "reschedule: task \"" + waiter.name() + "\" waits in " + wait.where +
            " for a value of another type; give reschedule an outcome<T> with the T of its park<T>");
    return wait.value;
}

void finish_reschedule(task& waiter) noexcept { wake(static_cast<task_state&>(waiter)); }

namespace {
[[noreturn, gnu::noinline, gnu::cold]] void refuse_to_wake(const wait_record& wait, const char* what) {
    require_parked(*wait.waiter, what);
    throw invalid_reschedule(
        std::string(what) + ": task \"" + wait.waiter->name() +
        "\" was rescheduled already by code that does not know why it waits in " + wait.where);
}
}  // namespace

void wake(wait_record& wait, const char* what) {
    auto& waiter = static_cast<task_state&>(*wait.waiter);
    run_state* run = this_thread.run;
    if (waiter.run != run || waiter.wait != &wait) [[unlikely]]
        refuse_to_wake(wait, what);
    // As wake(waiter), but for where the run comes from: from the thread it is known at once, from the waiter it takes a walk
    // through memory that every step to come would wait for.
    if (run_queue::contains(waiter)) [[unlikely]]
        return wake(waiter);
    wait.abort_fn = nullptr;
    waiter.wait = nullptr;
    waiter.sleep_data = nullptr;
    asm("" : "+r"(run));  // or the compiler takes it from the waiter, as the two are equal by now
    make_runnable(*run, waiter);
}

void reschedule_with_error(task& waiter, std::exception_ptr error) {
    require_parked(waiter, "reschedule").error = std::move(error);
    wake(static_cast<task_state&>(waiter));
}

task& waiter_of(const lowlevel::wait_ticket& ticket) {
    task* waiter = ticket.waiter();
    if (waiter == nullptr)
        throw invalid_reschedule(
            "reschedule: the park that this wait_ticket names is over; ask ticket.waiter() first when "
            "several parties may end a wait");
    return *waiter;
}

}  // namespace kernel

namespace lowlevel {

void reschedule(task& waiter, outcome<void> result) {
    if (!result.has_value()) return kernel::reschedule_with_error(waiter, result.error());
    kernel::accept_value(waiter, &kernel::type_tag<void>);
    kernel::finish_reschedule(waiter);
}

void reschedule(task& waiter, std::exception_ptr error) {
    if (error == nullptr)
        throw usage_error(
            "reschedule: the exception_ptr is null; to wake a task without an error call reschedule(task)");
    kernel::reschedule_with_error(waiter, std::move(error));
}

void reschedule(task& waiter) {
    kernel::accept_value(waiter, &kernel::type_tag<void>);
    kernel::finish_reschedule(waiter);
}

task* wait_ticket::waiter() const noexcept {
    if (task_ == nullptr) return nullptr;
    auto& state = static_cast<kernel::task_state&>(*task_);
    const bool same = state.id == task_id_ && state.wait_generation == generation_ && state.wait != nullptr;
    return same ? task_ : nullptr;
}

wait_ticket next_wait() {
    kernel::task_state& self = kernel::require_task("next_wait");
    wait_ticket ticket;
    ticket.task_ = &self;
    ticket.task_id_ = self.id;
    ticket.generation_ = self.wait_generation + 1;
    return ticket;
}

}  // namespace lowlevel
}  // namespace tombolo
