#pragma once

#include "fibers/core/run_state.hpp"

#include <tombolo/fibers/cancel_scope.hpp>

#include <memory>
#include <string>
#include <string_view>

namespace tombolo::kernel {

/// Moves a task to another cancel status (or, in the middle of started(), to none) and delivers what it finds there.
void set_status(task_state& task, cancel_status* status) noexcept;

/// Hangs a status under a parent (null: none). Does not recalculate.
void set_parent(cancel_status& status, cancel_status* parent) noexcept;

/// True when cancellation outside `status` reaches it.
bool outer_cancel_visible(const cancel_status& status) noexcept;

/// Re-establishes invariant 1 of cancel_status for `status` and everything below, and calls the abort functions of parked
/// tasks that have become cancelled. Iterative: nesting costs no stack.
void recalculate(cancel_status& status);

/// Why a task in `status` is cancelled; never null.
std::shared_ptr<const cancel_reason> reason_of(const cancel_status& status);

/// Access to a cancel scope's plumbing, for the kernel.
struct scope_access {
    static cancel_status& status(cancel_scope& scope) noexcept { return scope.status_; }
    static bool cancel_called(const cancel_scope& scope) noexcept { return scope.cancel_called_; }
    static bool shield(const cancel_scope& scope) noexcept { return scope.shield_; }
    static std::shared_ptr<const cancel_reason>& reason(cancel_scope& scope) noexcept { return scope.reason_; }
    static time_point registered_deadline(const cancel_scope& scope) noexcept { return scope.timer_.when; }
    /// How many exceptions were unwinding the stack of the task that entered.
    static unsigned uncaught_at_entry(const cancel_scope& scope) noexcept { return scope.uncaught_at_entry_; }
    /// Entering and leaving without a word to the instruments: for nurseries, whose hooks say it.
    static void enter(cancel_scope& scope);
    static void leave(cancel_scope& scope) noexcept;
    /// Filters what leaves the scope with `error` under way; returns what is left of it, null when nothing is.
    static std::exception_ptr leave_with(cancel_scope& scope, std::exception_ptr error);
    /// Ties a scope to a run without entering it in a task: the root of the tree.
    static void install_root(cancel_scope& scope, run_state& run) noexcept;
    static void uninstall_root(cancel_scope& scope) noexcept;
    /// cancel() with any source. `make_text` is called only if this is the first reason.
    template <class MakeReason>
    static void cancel(cancel_scope& scope, MakeReason&& make_reason) {
        if (scope.cancel_called_) return;
        if (scope.reason_ == nullptr) scope.reason_ = make_reason();
        finish_cancel(scope);
    }
    static void finish_cancel(cancel_scope& scope);
    static void expire(timer& due) noexcept;
};

std::shared_ptr<const cancel_reason> make_reason(
    cancel_source source, std::string text = {}, std::string source_task = {});

}  // namespace tombolo::kernel
