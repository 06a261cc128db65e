#pragma once

#include <tombolo/base/time.hpp>
#include <tombolo/fibers/errors.hpp>
#include <tombolo/fibers/kernel/cancel_status.hpp>
#include <tombolo/fibers/kernel/timer.hpp>
#include <tombolo/fibers/result_box.hpp>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace tombolo {

class nursery;

namespace kernel {
struct run_state;
struct scope_access;
}  // namespace kernel

struct cancel_scope_options {
    /// time_point::max() is never.
    time_point deadline = time_point::max();
    /// Counts from the moment the scope is entered. Not together with `deadline`; not negative.
    std::optional<duration> relative_deadline = std::nullopt;
    bool shield = false;
};

/// A stretch of code that can be cancelled as a whole.
///
/// Why: cancellation and timeouts belong to the caller, who knows what he waits for, not to each blocking function. Make a
/// scope, run a body in it, and cancel it from anywhere in the run. Use move_on_after / fail_after when all you want is a
/// timeout, and a nursery's own scope to cancel its children.
///
/// Cancellation is state, not an event: once cancelled, every checkpoint inside the scope throws `cancelled`, again and
/// again, until the body has been left. The outermost cancelled scope that is visible at that moment absorbs it.
///
/// Lifetime: immovable; outlives its body. Enter it once. Not thread-safe: other threads go through a run_token.
/// Source: trio.CancelScope.
class cancel_scope {
public:
    cancel_scope() noexcept;

    /// Throws: usage_error when both deadlines are given; invalid_duration for a negative relative deadline.
    explicit cancel_scope(const cancel_scope_options& options);
    cancel_scope(const cancel_scope&) = delete;
    cancel_scope& operator=(const cancel_scope&) = delete;
    ~cancel_scope();

    /// Runs `body` inside the scope. Returns its value as an optional (an optional-like pointer for references, bool for
    /// void), empty or false when this scope's cancellation ended the body.
    /// Checkpoint: never by itself; the body decides. Cancellation: absorbs what is its own.
    /// Throws: what the body throws, groups less their absorbed `cancelled` leaves; scope_reused on a second entry;
    /// not_in_task.
    template <class F>
    auto run(F&& body) {
        result_box<std::invoke_result_t<F>> result;
        enter();
        bool failed = false;
        try {
            result.capture(std::forward<F>(body));
        } catch (...) {
            failed = true;
            if (leave_with_error() == after_error::rethrow) throw;
        }
        if (!failed) leave();
        return result.take_optional();
    }

    /// Cancels everything inside, now and later. Blocked tasks inside become runnable before this returns; nobody runs
    /// before the caller's next checkpoint. The first reason is kept; further calls do nothing. Also before entry.
    /// Checkpoint: never. Throws: wrong_thread. Source: trio.CancelScope.cancel.
    void cancel(std::string_view reason = {});

    /// True once cancelled or once the deadline has passed (which this call may be the first to notice). It does not say
    /// that anything was interrupted: that is cancelled_caught().
    /// Checkpoint: never. Throws: wrong_thread.
    bool cancel_called();

    /// True when the body was left by a `cancelled` that this scope absorbed.
    /// Checkpoint: never.
    bool cancelled_caught() const noexcept { return cancelled_caught_; }

    /// Checkpoint: never. Throws: deadline_unset for a relative deadline before entry.
    time_point deadline() const;

    /// Moves the deadline; a past one cancels at the next look at the clock, not now. Turns a relative deadline into an
    /// absolute one. Checkpoint: never. Throws: wrong_thread.
    void deadline(time_point);

    /// Before entry: the time that will count from there. After entry: what is left of it (negative once it has passed),
    /// duration::max() when there is no deadline.
    /// Checkpoint: never. Throws: deadline_unset for an absolute deadline before entry; not_in_run after entry, outside a run.
    duration relative_deadline() const;

    /// Before entry: counts from there. After entry: counts from now.
    /// Checkpoint: never. Throws: invalid_duration when negative; wrong_thread.
    void relative_deadline(duration);

    /// True while the deadline counts from entry, that is, has not started.
    bool is_relative() const noexcept { return relative_.has_value(); }

    bool shield() const noexcept { return shield_; }

    /// While true, cancellation from outside does not reach inside. Turning it off lets a pending one in at once.
    /// Checkpoint: never. Throws: wrong_thread.
    void shield(bool);

    bool entered() const noexcept { return phase_ == phase::entered; }

    /// In words, for logs: "active, deadline in 2 s", "exited, cancelled".
    /// Checkpoint: never.
    std::string to_string() const;

private:
    friend struct kernel::scope_access;
    friend class nursery;

    enum class phase : unsigned char { unentered, entered, exited };
    enum class after_error : unsigned char { rethrow, absorbed };

    void enter();
    void leave() noexcept;
    after_error leave_with_error();
    void require_own_thread(const char* what) const;
    void register_deadline() noexcept;

    kernel::cancel_status status_;
    kernel::timer timer_;
    std::optional<duration> relative_;
    std::shared_ptr<const cancel_reason> reason_;
    kernel::run_state* run_ = nullptr;
    phase phase_ = phase::unentered;
    bool shield_ = false;
    bool cancel_called_ = false;
    bool cancelled_caught_ = false;
    unsigned uncaught_at_entry_ = 0;  // exceptions that were under way
};

/// The earliest moment at which the current task will be cancelled by a deadline that it can see: time_point::min() when it
/// is cancelled already, time_point::max() when there is none.
/// Checkpoint: never. Throws: not_in_task. Source: trio.current_effective_deadline.
time_point current_effective_deadline();

}  // namespace tombolo
