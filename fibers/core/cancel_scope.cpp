#include <tombolo/fibers/cancel_scope.hpp>

#include "fibers/core/cancel_diagnosis.hpp"
#include "fibers/core/cancel_status.hpp"
#include "fibers/core/delivery.hpp"
#include "fibers/core/detached_record.hpp"
#include "fibers/core/hooks.hpp"
#include "fibers/core/run_context.hpp"
#include "fibers/core/scheduling.hpp"

#include <tombolo/fibers/exception_group.hpp>

#include <string>

namespace tombolo {

using kernel::scope_access;

cancel_scope::cancel_scope() noexcept : status_(*this), timer_(this, scope_access::expire) {}

cancel_scope::cancel_scope(const cancel_scope_options& options)
    : status_(*this),
      timer_(this, scope_access::expire, options.deadline),
      relative_(options.relative_deadline),
      shield_(options.shield) {
    if (!relative_) return;
    if (options.deadline != time_point::max())
        throw usage_error("cancel_scope: both .deadline and .relative_deadline are given; give one of them");
    static_cast<void>(to_timeout(*relative_, "cancel_scope: .relative_deadline"));
}

cancel_scope::~cancel_scope() {
    TOMBOLO_ASSERT(phase_ != phase::entered, "a cancel scope must outlive its body: it was destroyed inside it");
    if (status_.watches != nullptr) [[unlikely]]
        status_.forget_watches();
}

void cancel_scope::require_own_thread(const char* what) const {
    if (run_ != nullptr && phase_ == phase::entered) kernel::require_same_run(run_, what);
}

void cancel_scope::register_deadline() noexcept {
    const bool wanted = phase_ == phase::entered && !cancel_called_ && timer_.when != time_point::max();
    if (timer_.slot != kernel::timer::not_registered) run_->deadlines.remove(timer_);
    if (wanted) {
        run_->deadlines.add(timer_);
        run_->budget.watch_time();
    }
}

void kernel::scope_access::enter(cancel_scope& scope) {
    task_state& task = require_task("cancel_scope::run");
    if (scope.phase_ != cancel_scope::phase::unentered)
        throw scope_reused("cancel_scope::run: this scope was entered before; make a new cancel_scope for each use");
    run_state& run = *task.run;
    time_point deadline = scope.timer_.when;
    bool due = false;
    if (scope.relative_ || deadline != time_point::max()) {
        const time_point entered_at = run.clock->now();
        if (scope.relative_) deadline = saturating_add(entered_at, *scope.relative_);
        due = !scope.cancel_called_ && entered_at >= deadline;
        run.deadlines.reserve_one();
    }

    scope.timer_.when = deadline;
    scope.relative_.reset();
    scope.run_ = &run;
    scope.phase_ = cancel_scope::phase::entered;
    scope.uncaught_at_entry_ = this_thread_exceptions->uncaught;
    if (due) {
        scope.cancel_called_ = true;
        if (scope.reason_ == nullptr) scope.reason_ = make_reason(cancel_source::deadline);
    }
    cancel_status* outer = task.status;
    set_parent(scope.status_, outer);
    const bool from_outside = outer_cancel_visible(scope.status_);
    if (from_outside && scope.reason_ == nullptr) scope.reason_ = scope_access::reason(outer->scope);
    scope.status_.effectively_cancelled = scope.cancel_called_ || from_outside;
    // The running task has no abort function, so there is nothing to deliver.
    set_status(task, &scope.status_);
    scope.register_deadline();
    if (scope.status_.watches != nullptr && scope.status_.effectively_cancelled) [[unlikely]]
        scope.status_.call_watches();
}

void kernel::scope_access::leave(cancel_scope& scope) noexcept {
    task_state& task = *current_task();
    TOMBOLO_ASSERT(
        task.status == &scope.status_,
        "cancel scopes are left in the reverse order of entry, by the task that entered");
    TOMBOLO_ASSERT(scope.status_.children.empty(), "a cancel scope is left after the scopes inside it");
    set_status(task, scope.status_.parent);
    set_parent(scope.status_, nullptr);
    scope.phase_ = cancel_scope::phase::exited;
    if (scope.timer_.slot != timer::not_registered) scope.run_->deadlines.remove(scope.timer_);
}

void cancel_scope::enter() {
    scope_access::enter(*this);
    if (run_->attends(kernel::attention_bits::watched)) [[unlikely]] {
        kernel::hooks::scope_entered(*run_, *this);
        if (cancel_called_) kernel::hooks::scope_cancelled(*run_, *this, *kernel::reason_of(status_));
    }
}

void cancel_scope::leave() noexcept {
    if (kernel::current_task() == nullptr) [[unlikely]]
        kernel::go_home_before_leaving();
    scope_access::leave(*this);
    if (run_->attends(kernel::attention_bits::watched)) [[unlikely]]
        kernel::hooks::scope_exited(*run_, *this);
}

std::exception_ptr kernel::scope_access::leave_with(cancel_scope& scope, std::exception_ptr error) {
    if (current_task() == nullptr) [[unlikely]]
        go_home_before_leaving();
    // Decided now, at the exit, not when the exception was thrown: shields may have moved meanwhile (C-1).
    const bool absorbs = scope.status_.effectively_cancelled && !kernel::outer_cancel_visible(scope.status_);
    leave(scope);
    if (!absorbs || error == nullptr) return error;
    auto [rest, removed] = strip_cancelled(std::move(error));
    if (removed > 0) {
        scope.cancelled_caught_ = true;
        forgive_cancels(*current_task());
    }
    return rest;
}

cancel_scope::after_error cancel_scope::leave_with_error() {
    const std::exception_ptr error = std::current_exception();
    const std::exception_ptr rest = scope_access::leave_with(*this, error);
    if (run_->attends(kernel::attention_bits::watched)) [[unlikely]]
        kernel::hooks::scope_exited(*run_, *this);
    if (rest == nullptr) return after_error::absorbed;
    if (rest != error) std::rethrow_exception(rest);
    return after_error::rethrow;
}

void kernel::scope_access::finish_cancel(cancel_scope& scope) {
    scope.cancel_called_ = true;
    if (scope.timer_.slot != kernel::timer::not_registered) scope.run_->deadlines.remove(scope.timer_);
    if (scope.phase_ != cancel_scope::phase::entered) return scope.status_.call_watches();
    if (scope.run_->attends(attention_bits::watched)) [[unlikely]]
        hooks::scope_cancelled(*scope.run_, scope, *reason_of(scope.status_));
    recalculate(scope.status_);
}

void kernel::scope_access::expire(timer& due) noexcept {
    cancel(*static_cast<cancel_scope*>(due.owner), [] { return make_reason(cancel_source::deadline); });
}

void kernel::scope_access::install_root(cancel_scope& scope, run_state& run) noexcept {
    scope.run_ = &run;
    scope.phase_ = cancel_scope::phase::entered;
}

void kernel::scope_access::uninstall_root(cancel_scope& scope) noexcept { scope.phase_ = cancel_scope::phase::exited; }

void cancel_scope::cancel(std::string_view reason) {
    require_own_thread("cancel_scope::cancel");
    scope_access::cancel(*this, [&] {
        const kernel::task_state* task = kernel::current_task();
        return kernel::make_reason(
            cancel_source::explicit_call, std::string(reason), task != nullptr ? task->name() : std::string());
    });
}

bool cancel_scope::cancel_called() {
    require_own_thread("cancel_scope::cancel_called");
    if (cancel_called_ || phase_ == phase::exited || relative_ || timer_.when == time_point::max())
        return cancel_called_;
    const kernel::run_state* run = phase_ == phase::entered ? run_ : kernel::this_thread.run;
    if (run != nullptr && run->clock->now() >= timer_.when)
        scope_access::cancel(*this, [] { return kernel::make_reason(cancel_source::deadline); });
    return cancel_called_;
}

time_point cancel_scope::deadline() const {
    if (relative_)
        throw deadline_unset(
            "cancel_scope::deadline: this scope has a relative deadline, which becomes a time point when the "
            "scope is entered; ask relative_deadline() until then");
    return timer_.when;
}

void cancel_scope::deadline(time_point when) {
    require_own_thread("cancel_scope::deadline");
    relative_.reset();
    if (phase_ == phase::entered && when != time_point::max()) run_->deadlines.reserve_one();
    if (timer_.slot != kernel::timer::not_registered) run_->deadlines.remove(timer_);
    timer_.when = when;
    register_deadline();
    if (phase_ == phase::entered) kernel::rouse(*run_);
}

duration cancel_scope::relative_deadline() const {
    require_own_thread("cancel_scope::relative_deadline");
    if (phase_ != phase::unentered)
        return timer_.when == time_point::max()
            ? duration::max()
            : saturating_difference(timer_.when, kernel::require_run("relative_deadline").clock->now());
    if (!relative_)
        throw deadline_unset("cancel_scope::relative_deadline: this scope has an absolute deadline; ask deadline()");
    return *relative_;
}

void cancel_scope::relative_deadline(duration timeout) {
    const duration checked = to_timeout(timeout, "cancel_scope::relative_deadline");
    require_own_thread("cancel_scope::relative_deadline");
    if (phase_ != phase::unentered)
        return deadline(saturating_add(kernel::require_run("relative_deadline").clock->now(), checked));
    relative_ = checked;
    timer_.when = time_point::max();
}

void cancel_scope::shield(bool on) {
    require_own_thread("cancel_scope::shield");
    shield_ = on;
    if (phase_ == phase::entered) kernel::recalculate(status_);
}

std::string cancel_scope::to_string() const {
    std::string text = phase_ == phase::unentered ? "unentered" : phase_ == phase::entered ? "active" : "exited";
    if (cancel_called_) return text + ", cancelled";
    const auto seconds = [](duration length) {
        return std::to_string(std::chrono::duration<double>(length).count()) + " s";
    };
    if (relative_) return text + ", deadline " + seconds(*relative_) + " after entry";
    // Without a run there is no clock to tell how far away the deadline is.
    const kernel::run_state* run = phase_ == phase::entered ? run_ : kernel::this_thread.run;
    if (timer_.when == time_point::max() || run == nullptr || run != kernel::this_thread.run) return text;
    const duration left = saturating_difference(timer_.when, run->clock->now());
    return text +
        (left > duration::zero()
             ? ", deadline in " + seconds(left)
             : ", deadline passed " + seconds(saturating_difference(run->clock->now(), timer_.when)) + " ago");
}

time_point current_effective_deadline() {
    const kernel::cancel_status* status = kernel::require_task("current_effective_deadline").status;
    time_point earliest = time_point::max();
    for (; status != nullptr; status = status->parent) {
        if (status->effectively_cancelled) return time_point::min();
        earliest = std::min(earliest, scope_access::registered_deadline(status->scope));
        if (scope_access::shield(status->scope)) break;
    }
    return earliest;
}

}  // namespace tombolo
