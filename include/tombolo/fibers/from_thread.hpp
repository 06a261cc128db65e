#pragma once

#include <tombolo/fibers/kernel/callable_ref.hpp>
#include <tombolo/fibers/result_box.hpp>
#include <tombolo/fibers/run_token.hpp>

#include <concepts>
#include <type_traits>
#include <utility>

namespace tombolo {

namespace kernel {
void run_from_thread(callable_ref body, const lowlevel::run_token* token);
void run_sync_from_thread(callable_ref body, const lowlevel::run_token* token);
}  // namespace kernel

/// Calls from other threads back into a run. They block the calling thread until they are done; to hand over work without
/// waiting use run_token::run_sync_soon.
namespace from_thread {

/// Calls `f`, which may block the fiber way, in the run that this thread works for, and returns what it returns.
///
/// In a thread of to_thread `f` runs inside the very task that waits there: as that task, in its cancel scopes. When they
/// are cancelled, `cancelled` comes out of `f` into the thread; let it pass. In a thread whose call may be abandoned, `f` runs
/// in a new system task, which is cancelled when the run's main task has ended.
/// `f` sees the thread's task_local variables; what it sets is gone when it has ended.
///
/// Checkpoint: never (it blocks its thread, which is no task). Cancellation: as said above.
/// Throws: what `f` throws; not_in_run where no to_thread call tells which run is meant; wrong_thread in a thread that has
/// a run of its own; run_finished when the run takes no new task any more. Callable from: any thread without a run.
/// Source: trio.from_thread.run.
template <class F>
    requires std::invocable<F&>
auto run(F&& f) -> std::invoke_result_t<F&> {
    result_box<std::invoke_result_t<F&>> result;
    auto body = [&] { result.capture(f); };
    kernel::run_from_thread(body, nullptr);
    return result.take();
}

/// The same in the run of `token`, from whatever thread and always in a new system task.
template <class F>
    requires std::invocable<F&>
auto run(F&& f, const lowlevel::run_token& token) -> std::invoke_result_t<F&> {
    result_box<std::invoke_result_t<F&>> result;
    auto body = [&] { result.capture(f); };
    kernel::run_from_thread(body, &token);
    return result.take();
}

/// Calls `f`, which must not block, in the run's thread, and returns what it returns. In a thread of to_thread it is
/// called by the waiting task, in a no_checkpoint section; where the call may be abandoned, as a run_sync_soon callback.
/// Checkpoint: never. Cancellation: none. Throws: as run. Callable from: any thread without a run.
/// Source: trio.from_thread.run_sync.
template <class F>
    requires std::invocable<F&>
auto run_sync(F&& f) -> std::invoke_result_t<F&> {
    result_box<std::invoke_result_t<F&>> result;
    auto body = [&] { result.capture(f); };
    kernel::run_sync_from_thread(body, nullptr);
    return result.take();
}

/// The same in the run of `token`, from whatever thread and always as a run_sync_soon callback.
template <class F>
    requires std::invocable<F&>
auto run_sync(F&& f, const lowlevel::run_token& token) -> std::invoke_result_t<F&> {
    result_box<std::invoke_result_t<F&>> result;
    auto body = [&] { result.capture(f); };
    kernel::run_sync_from_thread(body, &token);
    return result.take();
}

/// Throws `cancelled` when the to_thread call that this thread works for has been cancelled, whether it may be abandoned or
/// not. Long computations poll it to end early.
/// Checkpoint: never. Throws: cancelled; keyboard_interrupt when Ctrl-C asked the waiting main task to end; not_in_run in a
/// thread that was not started by to_thread. Callable from: a thread of to_thread.
/// Source: trio.from_thread.check_cancelled.
void check_cancelled();

}  // namespace from_thread
}  // namespace tombolo
