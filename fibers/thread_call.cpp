#include <tombolo/fibers/thread_call.hpp>

#include "fibers/thread_calls.hpp"
#include "fibers/thread_request.hpp"

#include <tombolo/base/scope_exit.hpp>
#include <tombolo/fibers/errors.hpp>
#include <tombolo/fibers/exception_group.hpp>
#include <tombolo/fibers/to_thread.hpp>

namespace tombolo::kernel {

namespace {

thread_local constinit thread_call* performed_here __attribute__((tls_model("initial-exec"))) = nullptr;

std::exception_ptr both(std::exception_ptr first, std::exception_ptr second) {
    if (second == nullptr) return first;
    return make_exception_group(
        "to_thread: the function failed, and so did giving its token back to the limiter",
        {std::move(first), std::move(second)});
}

}  // namespace

thread_call* thread_call::current() noexcept { return performed_here; }

void thread_call::start(const to_thread_options& options) {
    calls_ = thread_calls_here();
    token_ = lowlevel::current_run_token();
    limiter_ = options.limiter ? options.limiter : thread_limiter_ref(&calls_->limiter).of_run();
    abandonable_ = options.abandon_on_cancel;
    variables_ = lowlevel::copy_variables();
    name_thread(options.name);
    limiter_.acquire_on_behalf_of(this);
    try {
        waiter_ = &lowlevel::current_task();
        retain();
        start_thread_job(thread_job_owner(this));
    } catch (...) {
        limiter_.release_on_behalf_of(this);
        throw;
    }
}

void thread_call::perform() noexcept {
    performed_here = this;
    try {
        variables_.call([this] { call(); });
    } catch (...) {
        error_ = std::current_exception();
    }
    performed_here = nullptr;
}

void thread_call::deliver() {
    calls_->departing.fetch_add(1, std::memory_order_relaxed);
    const scope_exit departed([this] { calls_->departing.fetch_sub(1, std::memory_order_release); });
    try {
        token_->run_sync_soon([self = thread_call_ref<thread_call>(this)] { self->report(); });
    } catch (const run_finished&) {
        // An abandoned call: nobody is left who would want to know. A limiter that outlives its run goes on counting us by
        // our address, which therefore must not become another call's.
        if (limiter_.outlives_run()) retain();
    }
}

void thread_call::report() noexcept {
    // From here on the thread cannot bring work any more: deadlock detection shall know.
    token_.reset();
    try {
        limiter_.release_on_behalf_of(this);
    } catch (...) {
        error_ = both(std::current_exception(), std::move(error_));
    }
    done_ = true;
    if (waiter_ != nullptr) lowlevel::reschedule(*waiter_);
}

void thread_call::ask(thread_request& request) {
    token_->run_sync_soon([this, &request] {
        request_ = &request;
        lowlevel::reschedule(*waiter_);
    });
}

void thread_call::serve(thread_request& request) noexcept {
    // Whether the wait has been asked to end is found out anew by the next one.
    cancel_requested_.store(false, std::memory_order_relaxed);
    request.serve();
    // The thread goes on only when this task sleeps again: its next question shall find it so, and check_cancelled() shall
    // know what the sleep was told.
    try {
        token_->run_sync_soon([&request] { request.answer(); });
    } catch (...) {
        request.answer();
    }
}

void thread_call::check_cancelled() const {
    if (!cancel_requested_.load(std::memory_order_acquire)) return;
    // Only the run's thread may mark an interrupt as delivered.
    if (cancel_->is_keyboard_interrupt()) throw keyboard_interrupt();
    (*cancel_)();
}

void thread_call::wait() {
    auto abort_fn = [this](const lowlevel::raise_cancel& raise) {
        if (!cancel_requested_.load(std::memory_order_relaxed)) {
            cancel_.emplace(raise);
            cancel_requested_.store(true, std::memory_order_release);
        }
        if (!abandonable_) return lowlevel::abort::failed;
        waiter_ = nullptr;
        return lowlevel::abort::succeeded;
    };
    while (!done_) {
        lowlevel::park<void>(abort_fn, "to_thread");
        if (request_ != nullptr) serve(*std::exchange(request_, nullptr));
    }
    if (error_ == nullptr) return;
    // The thread was told of an interrupt and ended by it: so it has been delivered.
    if (cancel_requested_ && cancel_->is_keyboard_interrupt() && holds<keyboard_interrupt>(error_)) (*cancel_)();
    std::rethrow_exception(std::move(error_));
}

}  // namespace tombolo::kernel
