#pragma once

#include <tombolo/base/scope_exit.hpp>
#include <tombolo/fibers/park.hpp>
#include <tombolo/fibers/run_token.hpp>
#include <tombolo/fibers/thread_cache.hpp>
#include <tombolo/fibers/thread_limiter.hpp>
#include <tombolo/fibers/variables_copy.hpp>

#include <atomic>
#include <exception>
#include <memory>
#include <optional>
#include <utility>

namespace tombolo {

struct to_thread_options;

namespace kernel {

class thread_request;
struct thread_calls;

/// Owns one share of a thread_call.
template <class Call>
class thread_call_ref {
public:
    explicit thread_call_ref(Call* call) noexcept : call_(call) { call_->retain(); }
    thread_call_ref(thread_call_ref&& other) noexcept : call_(std::exchange(other.call_, nullptr)) {}
    thread_call_ref& operator=(thread_call_ref&&) = delete;
    ~thread_call_ref() {
        if (call_ != nullptr) call_->release();
    }
    Call* operator->() const noexcept { return call_; }
    Call& operator*() const noexcept { return *call_; }
    Call* get() const noexcept { return call_; }

private:
    Call* call_;
};

/// One to_thread call: shared by the task that waits, the thread that performs it, and the callback that reports back, so
/// that each of them may be the last. Public only because to_thread is a template.
///
/// Invariants:
/// 1. The thread touches waiter_, request_ and done_ never; the run's thread touches error_ only once the thread has delivered.
/// 2. While the thread may ask (invariant of from_thread: it waits for each answer) the task sleeps in call_in_thread, or
///    serves that very request: a request finds it asleep.
/// 3. cancel_ is written by the run's thread only: while cancel_requested_ is false, or while the thread waits for an answer.
class thread_call : public thread_job {
public:
    void retain() noexcept { shares_.fetch_add(1, std::memory_order_relaxed); }
    void release() noexcept final {
        if (shares_.fetch_sub(1, std::memory_order_acq_rel) == 1) destroy();
    }

    /// The call that this thread performs; null in every other thread.
    static thread_call* current() noexcept;

    // For the thread.
    bool abandonable() const noexcept { return abandonable_; }
    const lowlevel::run_token& token() const noexcept { return *token_; }
    /// Has the waiting task serve `request`. Requires: not abandonable. Throws: run_finished.
    void ask(thread_request& request);
    /// Throws: cancelled, keyboard_interrupt when the task's wait has been asked to end that way.
    void check_cancelled() const;

    // For the task.
    /// Takes a token of the limiter and has a thread perform the call.
    void start(const to_thread_options& options);
    /// Waits until it is done, serving the thread's requests. Throws: what the call threw; cancelled when abandoned.
    void wait();

protected:
    thread_call() noexcept = default;
    ~thread_call() = default;

private:
    virtual void call() = 0;
    virtual void destroy() noexcept = 0;

    void perform() noexcept final;
    void deliver() final;
    void report() noexcept;
    void serve(thread_request& request) noexcept;

    std::atomic<int> shares_{0};
    bool abandonable_ = false;
    std::shared_ptr<thread_calls> calls_;
    std::optional<lowlevel::run_token> token_;
    thread_limiter_ref limiter_;
    lowlevel::variables_copy variables_;
    std::exception_ptr error_;

    task* waiter_ = nullptr;             ///< null once the call has been abandoned or is done
    thread_request* request_ = nullptr;  ///< what the task is woken for
    bool done_ = false;

    std::atomic<bool> cancel_requested_{false};
    std::optional<lowlevel::raise_cancel> cancel_;
};

}  // namespace kernel
}  // namespace tombolo
