#pragma once

#include <tombolo/fibers/cancel_scope.hpp>
#include <tombolo/fibers/clock.hpp>

#include <type_traits>
#include <utility>

namespace tombolo {

struct timeout_options {
    bool shield = false;
};

namespace kernel {
[[noreturn]] void throw_too_slow(const cancel_scope& scope);
void sleep_for(duration timeout);

template <class F>
auto fail_in(cancel_scope& scope, F&& body) -> std::invoke_result_t<F> {
    using result = std::invoke_result_t<F>;
    if constexpr (std::is_void_v<result>) {
        if (!scope.run(std::forward<F>(body))) throw_too_slow(scope);
    } else {
        auto value = scope.run(std::forward<F>(body));
        if (!value) throw_too_slow(scope);
        if constexpr (std::is_reference_v<result>)
            return static_cast<result>(*value);
        else
            return std::move(*value);
    }
}
}  // namespace kernel

/// Runs `body` until `deadline` at the latest. Returns its value as an optional, bool for void: empty or false when the
/// deadline ended it.
/// Checkpoint: never by itself; the body decides. Cancellation: as cancel_scope::run.
/// Throws: what the body throws; not_in_task. Source: trio.move_on_at.
template <class F>
auto move_on_at(time_point deadline, F&& body, timeout_options options = {}) {
    cancel_scope scope{{.deadline = deadline, .shield = options.shield}};
    return scope.run(std::forward<F>(body));
}

/// move_on_at, with the deadline `timeout` after entry.
/// Throws: also invalid_duration when `timeout` is negative or not a number. Source: trio.move_on_after.
template <class Rep, class Period, class F>
auto move_on_after(std::chrono::duration<Rep, Period> timeout, F&& body, timeout_options options = {}) {
    cancel_scope scope{{.relative_deadline = to_timeout(timeout, "move_on_after"), .shield = options.shield}};
    return scope.run(std::forward<F>(body));
}

/// Runs `body` until `deadline` at the latest and returns its value.
/// Checkpoint: never by itself; the body decides. Cancellation: as cancel_scope::run.
/// Throws: too_slow when the deadline ended the body; what the body throws; not_in_task. A body that finishes without a
/// checkpoint is never too slow. Source: trio.fail_at.
template <class F>
auto fail_at(time_point deadline, F&& body, timeout_options options = {}) -> std::invoke_result_t<F> {
    cancel_scope scope{{.deadline = deadline, .shield = options.shield}};
    return kernel::fail_in(scope, std::forward<F>(body));
}

/// fail_at, with the deadline `timeout` after entry.
/// Throws: also invalid_duration when `timeout` is negative or not a number. Source: trio.fail_after.
template <class Rep, class Period, class F>
auto fail_after(std::chrono::duration<Rep, Period> timeout, F&& body, timeout_options options = {})
    -> std::invoke_result_t<F> {
    cancel_scope scope{{.relative_deadline = to_timeout(timeout, "fail_after"), .shield = options.shield}};
    return kernel::fail_in(scope, std::forward<F>(body));
}

/// Waits until the run's clock reaches `deadline`; a deadline in the past is a plain checkpoint.
/// Checkpoint: always. Cancellation: ends the wait at once. Throws: cancelled; not_in_task and its kin.
/// Source: trio.sleep_until.
void sleep_until(time_point deadline);

/// Waits for `timeout` of the run's clock; zero is a plain checkpoint.
/// Checkpoint: always. Cancellation: ends the wait at once. Throws: cancelled; invalid_duration when negative or not a
/// number; not_in_task and its kin. Source: trio.sleep.
template <class Rep, class Period>
void sleep_for(std::chrono::duration<Rep, Period> timeout) {
    kernel::sleep_for(to_timeout(timeout, "sleep_for"));
}

/// Waits until cancelled.
/// Checkpoint: always. Cancellation: the only way out. Throws: cancelled; invalid_reschedule when somebody reschedules the
/// task. Source: trio.sleep_forever.
[[noreturn]] void sleep_forever();

}  // namespace tombolo
