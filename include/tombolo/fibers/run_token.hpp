#pragma once

#include <tombolo/base/unique_function.hpp>
#include <tombolo/fibers/kernel/callable_ref.hpp>

#include <concepts>
#include <cstdint>
#include <memory>
#include <type_traits>
#include <utility>

namespace tombolo {

namespace kernel {
class entry_queue;
struct signal_slot;
}  // namespace kernel

namespace lowlevel {

/// Identifies equal run_sync_soon calls: build one from the address of whatever the call is about.
using idempotency_key = const void*;

struct run_sync_soon_options {
    /// When set, the call is dropped while another with the same key is still queued.
    idempotency_key idempotent = nullptr;
};

/// The door into a run for other threads: hands it functions to call. Cheap to copy; tokens of the same run are equal.
///
/// Callable from: any thread (not from signal handlers: see signal_job).
/// Lifetime: may outlive its run. Source: trio.lowlevel.TrioToken.
class run_token {
public:
    /// Queues `f` to be called by the run's thread, in a system task that must not block: first in, first out among the
    /// calls without a key, and among those with one; no order between the two. An accepted call happens before `run`
    /// returns. An exception out of `f` ends the run with internal_error.
    /// Checkpoint: never. Throws: run_finished once the run has ended or refuses new calls. Callable from: any thread.
    /// Source: trio.lowlevel.TrioToken.run_sync_soon.
    template <class F>
        requires std::invocable<std::decay_t<F>&>
    void run_sync_soon(F&& f, run_sync_soon_options options = {}) const {
        if constexpr (!std::is_function_v<std::remove_reference_t<F>>)
            if (kernel::is_empty_callable(f)) kernel::throw_empty_function("run_sync_soon");
        post(unique_function<void()>(std::forward<F>(f)), options.idempotent);
    }

    bool operator==(const run_token& other) const noexcept { return queue_ == other.queue_; }

private:
    friend run_token current_run_token();
    friend class signal_job;
    explicit run_token(std::shared_ptr<kernel::entry_queue> queue) noexcept : queue_(std::move(queue)) {}
    void post(unique_function<void()> job, idempotency_key key) const;

    std::shared_ptr<kernel::entry_queue> queue_;
};

/// Checkpoint: never. Throws: not_in_run. Source: trio.lowlevel.current_trio_token.
run_token current_run_token();

/// A function that a signal handler may ask the run to call: everything that could allocate or lock happens here, and
/// post() is async-signal-safe. Posts that arrive before the function has run are merged.
///
/// Lifetime: made on the run's thread; destroyed there too, or after the run; the handler must be gone by then.
/// Source: trio's run_sync_soon from signal handlers, which relies on Python's atomicity.
class signal_job {
public:
    /// Throws: not_in_run.
    explicit signal_job(unique_function<void()> job);
    signal_job(const signal_job&) = delete;
    signal_job& operator=(const signal_job&) = delete;
    ~signal_job();

    /// False when the run has ended and the function will not be called.
    /// Checkpoint: never. Callable from: any thread, signal handler.
    bool post() noexcept;

private:
    std::shared_ptr<kernel::entry_queue> queue_;
    std::unique_ptr<kernel::signal_slot> slot_;
};

}  // namespace lowlevel
}  // namespace tombolo
