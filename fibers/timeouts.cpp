#include <tombolo/fibers/timeouts.hpp>

#include "fibers/core/run_context.hpp"
#include "fibers/core/run_state.hpp"
#include "fibers/core/scheduling.hpp"

#include <tombolo/fibers/checkpoint.hpp>
#include <tombolo/fibers/park.hpp>

#include <string>

namespace tombolo {

namespace kernel {

void throw_too_slow(const cancel_scope& scope) {
    static_cast<void>(scope);
    throw too_slow(
        "fail_after / fail_at: the body was cancelled before it finished (its deadline passed, or the scope was "
        "cancelled)");
}

namespace {

/// A timer of its own, not a cancel scope: waking up is the normal end of a sleep, and exceptions are not for that.
struct alarm : timer {
    alarm(task_state& sleeper, time_point at) noexcept : timer(&sleeper, ring, at), wait(sleeper.wait_generation + 1) {}
    ~alarm() {
        if (slot != not_registered) static_cast<task_state*>(owner)->run->deadlines.remove(*this);
    }

    static void ring(timer& due) noexcept {
        auto& self = static_cast<alarm&>(due);
        auto& sleeper = *static_cast<task_state*>(self.owner);
        // Somebody else may have rescheduled the sleeper, who then finds out when it runs.
        self.rang = sleeper.wait != nullptr && sleeper.wait_generation == self.wait;
        if (self.rang) wake(sleeper);
    }

    std::uint64_t wait;
    bool rang = false;
};

[[noreturn]] void throw_rescheduled(const char* where) {
    throw invalid_reschedule(
        std::string(where) +
        ": somebody rescheduled this task while it slept; only the clock and "
        "cancellation may wake it");
}

}  // namespace

void sleep_until(time_point deadline, const char* where) {
    task_state& self = require_may_park(where);
    run_state& run = *self.run;
    if (deadline <= run.clock->now()) return checkpoint();
    alarm alarm(self, deadline);
    if (deadline != time_point::max()) {
        run.deadlines.reserve_one();
        run.deadlines.add(alarm);
        run.budget.watch_time();
    }
    lowlevel::park<void>([](const lowlevel::raise_cancel&) { return lowlevel::abort::succeeded; }, where);
    if (!alarm.rang) throw_rescheduled(where);
}

void sleep_for(duration timeout) {
    if (timeout == duration::zero()) {
        require_may_park("sleep_for");
        return checkpoint();
    }
    const task_state& self = require_may_park("sleep_for");
    sleep_until(saturating_add(self.run->clock->now(), timeout), "sleep_for");
}

}  // namespace kernel

void sleep_until(time_point deadline) { kernel::sleep_until(deadline, "sleep_until"); }

void sleep_forever() {
    lowlevel::park<void>([](const lowlevel::raise_cancel&) { return lowlevel::abort::succeeded; }, "sleep_forever");
    kernel::throw_rescheduled("sleep_forever");
}

}  // namespace tombolo
