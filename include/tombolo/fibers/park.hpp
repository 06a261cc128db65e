#pragma once

#include <tombolo/base/outcome.hpp>
#include <tombolo/fibers/kernel/callable_ref.hpp>
#include <tombolo/fibers/kernel/wait_record.hpp>
#include <tombolo/fibers/task.hpp>

#include <cstdint>
#include <exception>
#include <optional>
#include <type_traits>
#include <utility>

namespace tombolo {

namespace lowlevel {
class wait_ticket;
}  // namespace lowlevel

namespace kernel {
task& waiter_of(const lowlevel::wait_ticket& ticket);

/// Checks that `waiter` may be rescheduled with a T and returns where the value goes.
void* accept_value(task& waiter, const void* value_type);
void finish_reschedule(task& waiter) noexcept;
void reschedule_with_error(task& waiter, std::exception_ptr error);
}  // namespace kernel

namespace lowlevel {

/// The only way to block: gives up the thread until somebody calls reschedule() for this task, exactly once. Returns or
/// throws what reschedule was given.
///
/// `abort_fn` is called at most once, on the stack of whoever cancels (or at once when the task is cancelled already),
/// as `abort(raise_cancel)`. It must not block and must not throw. See lowlevel::abort for its answers.
/// `where` names the wait in task trees; it must be a string that lives for ever.
///
/// Checkpoint: always. Cancellation: through `abort_fn`; a task that was rescheduled before the cancel keeps its value.
/// Throws: what reschedule was given; cancelled; keyboard_interrupt; not_in_task and its kin.
/// Source: trio.lowlevel.wait_task_rescheduled.
template <class T = void, class AbortFn>
    requires std::is_invocable_r_v<abort, AbortFn&, raise_cancel>
T park(AbortFn&& abort_fn, const char* where = "park") {
    auto call = [](void* context, const raise_cancel& raise) -> abort {
        return kernel::callable_at<AbortFn>(context)(raise);
    };
    void* context = kernel::address_of_callable(abort_fn);
    if constexpr (std::is_void_v<T>) {
        kernel::wait_record wait{where, call, context, nullptr, &kernel::type_tag<void>};
        kernel::park(wait);
    } else {
        std::optional<T> value;
        kernel::wait_record wait{where, call, context, &value, &kernel::type_tag<T>};
        kernel::park(wait);
        return std::move(*value);
    }
}

/// Ends the park of `waiter`: makes it runnable, and its park returns or throws what is given here. Nobody runs before
/// the caller's next checkpoint.
/// Checkpoint: never. Throws: invalid_reschedule when the task is not parked (rescheduled twice, or never parked) or
/// waits for another type; wrong_thread. Nothing changes then. Source: trio.lowlevel.reschedule.
template <class T>
    requires(!std::is_void_v<T>)
void reschedule(task& waiter, outcome<T> result) {
    if (!result.has_value()) return kernel::reschedule_with_error(waiter, result.error());
    void* slot = kernel::accept_value(waiter, &kernel::type_tag<T>);
    static_cast<std::optional<T>*>(slot)->emplace(std::move(result).value());
    kernel::finish_reschedule(waiter);
}

void reschedule(task& waiter, outcome<void> result);
void reschedule(task& waiter, std::exception_ptr error);
void reschedule(task& waiter);

/// Names one particular park of one task, so that a late wake-up is a diagnosed error and not the wake-up of an unrelated
/// later wait. Take it before parking, hand it to the waker. May outlive the task, not the run.
class wait_ticket {
public:
    /// The task, if that park is still going on; otherwise null.
    /// Checkpoint: never.
    task* waiter() const noexcept;

private:
    friend wait_ticket next_wait();
    task* task_ = nullptr;
    std::uint64_t task_id_ = 0;
    std::uint64_t generation_ = 0;
};

/// The ticket of the current task's next park.
/// Checkpoint: never. Throws: not_in_task.
wait_ticket next_wait();

/// reschedule, for exactly the park that the ticket names.
/// Checkpoint: never. Throws: invalid_reschedule when that park is over. Nothing changes then.
template <class T>
void reschedule(const wait_ticket& ticket, outcome<T> result) {
    reschedule(kernel::waiter_of(ticket), std::move(result));
}

}  // namespace lowlevel
}  // namespace tombolo
