#include "fibers/core/run_context.hpp"

#include <tombolo/fibers/errors.hpp>
#include <tombolo/fibers/flavour.hpp>
#include <tombolo/fibers/run.hpp>

#include <string>

namespace tombolo {

namespace kernel {

thread_local constinit run_context this_thread{};

namespace {

[[noreturn]] void throw_not_in_run(const char* what) {
    throw not_in_run(
        std::string(what) +
        ": no run is active on this thread; call it inside tombolo::run(...), and from other threads go "
        "through a run_token");
}

[[noreturn]] void throw_not_in_task(const char* what) {
    throw not_in_task(
        std::string(what) +
        ": the run on this thread is between steps and no task is current (this is an "
        "instrument, a clock or host code); call it from a task");
}

}  // namespace

void refuse_to_park(const char* what) {
    const std::string name = what;
    if (this_thread.run == nullptr) throw_not_in_run(what);
    switch (this_thread.why) {
    case refusal::no_checkpoint:
        throw checkpoint_forbidden(
            name + ": a checkpoint was reached inside a no_checkpoint section of task \"" + current_task()->name() +
            "\"; move the blocking call out of the section");
    case refusal::abort_function:
        throw checkpoint_forbidden(
            name +
            ": an abort function must not block: it runs inside somebody's cancel(); withdraw "
            "the wake-up and answer, and do the rest in the task that was cancelled");
    case refusal::instrument:
        throw checkpoint_forbidden(
            name +
            ": an instrument must not block: it runs between the steps of tasks; hand the work "
            "to a task");
    case refusal::callback:
        throw checkpoint_forbidden(name + ": a run_sync_soon callback must not block; start a task from it instead");
    case refusal::clock:
        throw checkpoint_forbidden(name + ": a clock must not block: it is asked between the steps of tasks");
    case refusal::detached:
        throw checkpoint_forbidden(
            name +
            ": this fiber is detached, so there is no run to yield to; call suspend_detached() to go back to the "
            "foreign "
            "scheduler, or reattach() first");
    case refusal::forked:
        throw_forked_run(what);
    case refusal::outside_task:
    case refusal::outside_run:
    case refusal::none:
        break;
    }
    if (current_task() != nullptr && current_task()->tag != flavour::fiber)
        throw wrong_flavour(
            name +
            ": this task has the loop flavour, where the fiber flavour's blocking calls do not work; "
            "cross over with tombolo::interop::fiber_as_loop");
    throw_not_in_task(what);
}

run_state& require_run(const char* what) {
    if (this_thread.run == nullptr) throw_not_in_run(what);
    return *this_thread.run;
}

task_state& require_task(const char* what) {
    if (current_task() == nullptr) {
        require_run(what);
        throw_not_in_task(what);
    }
    return *current_task();
}

void require_same_run(const run_state* run, const char* what) {
    if (run == this_thread.run) return;
    if (this_thread.run == nullptr)
        throw wrong_thread(
            std::string(what) +
            ": called on a thread without a run, for an object of another thread's run; go "
            "through a run_token: token.run_sync_soon(...)");
    throw wrong_thread(
        std::string(what) +
        ": the object belongs to the run of another thread; go through that run's "
        "run_token: token.run_sync_soon(...)");
}

}  // namespace kernel

bool in_run() noexcept { return kernel::this_thread.run != nullptr; }

bool in_task() noexcept { return kernel::current_task() != nullptr; }

flavour current_flavour() noexcept {
    return kernel::current_task() != nullptr ? kernel::current_task()->tag : flavour::none;
}

std::string_view to_string(flavour which) noexcept {
    switch (which) {
    case flavour::none:
        return "none";
    case flavour::fiber:
        return "fiber";
    case flavour::loop:
        return "loop";
    }
    return "unknown";
}

}  // namespace tombolo
