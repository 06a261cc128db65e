#pragma once

#include "fibers/core/entry_job.hpp"
#include "fibers/core/forks.hpp"
#include "fibers/core/wake_up.hpp"

#include <tombolo/base/unique_function.hpp>

#include <atomic>
#include <cstddef>
#include <mutex>
#include <utility>
#include <vector>

namespace tombolo::kernel {

/// A job that a signal handler may post: made and destroyed on the run's thread.
struct signal_slot {
    std::atomic<bool> pending{false};
    unique_function<void()> job;
};

/// The functions that other threads want called in a run: shared by the run and its tokens.
///
/// Jobs without a key go through a lock-free list (newest first, turned round by the run's thread); keyed ones, which must be
/// compared, sit behind a mutex. Signal handlers only set a flag in a slot that exists already.
///
/// Invariants:
/// 1. A job that post() accepted is called exactly once; after close() post() accepts nothing.
/// 2. keyed_ has at most one job for each key.
class entry_queue {
public:
    entry_queue() = default;
    entry_queue(const entry_queue&) = delete;
    entry_queue& operator=(const entry_queue&) = delete;
    ~entry_queue();

    /// Throws: run_finished after close(); forked_run in a child of the run's process. Callable from: any thread.
    void post(unique_function<void()> job, const void* key);

    /// Calls every job that is queued now, none that they queue. `call(job)` runs one and must not throw. Returns how many.
    /// Run's thread only, as all below.
    template <class Call>
    std::size_t run_bounded(Call&& call) {
        std::size_t count = 0;
        spent_entry_jobs spent;
        for (entry_job* next = take_plain(); next != nullptr; ++count) {
            entry_job& taken = *std::exchange(next, next->next);
            call(taken.job);
            spent.add(taken);
        }
        for (keyed_job& taken : take_keyed()) {
            call(taken.job);
            ++count;
        }
        take_posted_slots();
        while ((running_ = next_posted_slot()) != nullptr) {
            // The function may destroy its own slot.
            unique_function<void()> job = std::move(running_->job);
            call(job);
            if (running_ != nullptr) running_->job = std::move(job);
            ++count;
        }
        return count;
    }

    bool has_jobs() const noexcept;
    /// Units: jobs. O(n).
    std::size_t size() const noexcept;

    /// Refuses every further job; the next run_bounded calls what was accepted before.
    void close() noexcept;
    bool closed() const noexcept { return newest_.load(std::memory_order_relaxed) == closed_mark(); }

    void add_signal_slot(signal_slot& slot) { slots_.push_back(&slot); }
    void remove_signal_slot(signal_slot& slot) noexcept;
    bool post_from_signal(signal_slot& slot) noexcept;

    kernel::wake_up wake_up;

private:
    struct keyed_job {
        const void* key;
        unique_function<void()> job;
    };

    static entry_job* closed_mark() noexcept;
    entry_job* take_plain() noexcept;
    std::vector<keyed_job> take_keyed();
    void take_posted_slots();
    signal_slot* next_posted_slot() noexcept;

    std::atomic<entry_job*> newest_{nullptr};
    std::atomic<bool> has_keyed_{false};
    std::atomic<bool> refuses_signals_{false};
    mutable std::mutex keyed_mutex_;
    std::vector<keyed_job> keyed_;  // guarded by keyed_mutex_
    bool refuses_keyed_ = false;    // guarded by keyed_mutex_

    const unsigned born_ = fork_generation;
    // Run's thread only.
    entry_job* accepted_before_close_ = nullptr;
    std::vector<signal_slot*> slots_;
    std::vector<signal_slot*> posted_;
    signal_slot* running_ = nullptr;  ///< whose function is being called, unless it has gone meanwhile
};

}  // namespace tombolo::kernel
