#pragma once

#include <tombolo/fibers/kernel/callable_ref.hpp>
#include <tombolo/fibers/result_box.hpp>
#include <tombolo/fibers/thread_call.hpp>
#include <tombolo/fibers/thread_limiter.hpp>

#include <concepts>
#include <cstddef>
#include <exception>
#include <functional>
#include <optional>
#include <string_view>
#include <type_traits>
#include <utility>

namespace tombolo {

class capacity_limiter;

struct to_thread_options {
    /// Limits how many such calls have a thread at a time; null: the run's default, see current_default_thread_limiter().
    thread_limiter_ref limiter = {};

    /// False: a call cannot be cancelled; its task waits until the function has ended, which may poll
    /// from_thread::check_cancelled(). True: when cancelled, the call throws `cancelled` at once; the thread goes on, and
    /// what comes of it is dropped, also after the run has ended. Then the function must own all that it uses: capture by
    /// value, share by std::shared_ptr. It is destroyed on its thread.
    bool abandon_on_cancel = false;

    /// The thread's name in the operating system while the function runs, cut to 15 bytes. Empty: "tombolo worker".
    std::string_view name = {};
};

namespace kernel {

/// Performs `call` in a thread and waits for it.
void call_in_thread(thread_call& call, const to_thread_options& options);

/// How many calls of this run have a thread. Throws: not_in_run.
std::size_t active_thread_calls();
void wait_for_thread_calls();

template <class F>
class stored_thread_call final : public thread_call {
public:
    explicit stored_thread_call(F&& f) : f_(std::in_place, std::move(f)) {}

    /// What the function returned. Requires: it has been called; once.
    std::invoke_result_t<F&> take() { return result_.take(); }

private:
    void call() override {
        // Also when it throws, the function dies on its thread before its task hears of it.
        const scope_exit destroy([this] { f_.reset(); });
        result_.capture(*f_);
    }
    void destroy() noexcept override { delete this; }

    std::optional<F> f_;
    result_box<std::invoke_result_t<F&>> result_;
};

}  // namespace kernel

/// Calls `f` in a thread of its own and returns what it returns, while other tasks run. For whatever blocks or computes too
/// long for the run's thread: file systems, databases, compression.
///
/// `f` is copied or moved into the call, and destroyed in the thread. It sees a copy of the task's task_local variables and
/// can call back into the run with tombolo::from_thread. Threads come from the cache of lowlevel::start_thread_soon. Because
/// they may be many, each call takes a token of a limiter first, by default the run's limiter of 40; the token is given
/// back when the thread is done, also when the call has been abandoned. If giving it back fails, that error is thrown
/// instead of the result (both in a group if `f` failed too).
///
/// Its task counts as blocked meanwhile: a mock clock that jumps when all tasks wait jumps past it, and
/// testing::wait_all_tasks_blocked does not wait for it; testing::wait_all_threads_completed does. Deadlock detection
/// knows that a thread may still bring work.
///
/// Checkpoint: always. Cancellation: before the thread starts; afterwards see to_thread_options::abandon_on_cancel: a call
/// that is not abandoned returns its result although it was cancelled.
/// Throws: what `f` throws; what the limiter throws; thread_exhausted; cancelled; not_in_run, not_in_task and their kin;
/// usage_error for an empty function. Lifetime: all that `f` refers to outlives the call, or, if it may be abandoned, the
/// thread. Source: trio.to_thread.run_sync, less its names for threads.
template <class F>
    requires std::invocable<F&> && std::move_constructible<F>
auto to_thread(F f, const to_thread_options& options = {}) -> std::invoke_result_t<F&> {
    if (kernel::is_empty_callable(f)) kernel::throw_empty_function("to_thread");
    using call_type = kernel::stored_thread_call<F>;
    const kernel::thread_call_ref<call_type> call(new call_type(std::move(f)));
    kernel::call_in_thread(*call, options);
    return call->take();
}

/// The limiter of those to_thread calls of this run that name none: 40 at a time, until its total is changed.
/// Checkpoint: never. Throws: not_in_run. Lifetime: the run's.
/// Source: trio.to_thread.current_default_thread_limiter.
capacity_limiter& current_default_thread_limiter();

}  // namespace tombolo
