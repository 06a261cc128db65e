#pragma once

#include <tombolo/base/intrusive_list.hpp>
#include <tombolo/fibers/count.hpp>

#include <cstddef>
#include <limits>
#include <set>
#include <vector>

namespace tombolo {

namespace kernel {
struct token_waiter;
struct by_limiter;  // a waiter in its capacity limiter
}  // namespace kernel

struct capacity_limiter_statistics {
    std::size_t total = 0;  ///< capacity_limiter::unlimited: no limit
    std::size_t borrowed = 0;
    std::size_t tasks_waiting = 0;
    std::vector<const void*>
        borrowers;  ///< in no particular order; a task that borrowed for itself is there as its task*
};

/// Limits how many at a time use something, and knows who they are: each borrower holds at most one token.
///
/// A borrower is the current task, or whatever address the caller names: a thread, a connection. Strictly first come first
/// served: nobody is served past those who wait. std::lock_guard and its kin work on it, for the current task. Where
/// nobody has to know who holds what, use a semaphore.
///
/// Lifetime: immovable; nobody may wait when it is destroyed. A borrower's address stays taken until it is released, also
/// when the task has exited. Not thread-safe.
/// Source: trio.CapacityLimiter.
class capacity_limiter {
public:
    /// As many tokens as there are borrowers.
    static constexpr std::size_t unlimited = std::numeric_limits<std::size_t>::max();

    /// `total`: 0 or more; with 0 nobody gets one until there are more. Throws: invalid_count.
    explicit capacity_limiter(integer auto total) : total_(to_count(total, "capacity_limiter: total")) {}
    capacity_limiter(const capacity_limiter&) = delete;
    capacity_limiter& operator=(const capacity_limiter&) = delete;
    /// Requires: nobody waits.
    ~capacity_limiter();

    /// Waits until there is a token for the current task.
    /// Checkpoint: always. Cancellation: no token is taken; a token that was handed over before the cancel is kept.
    /// Throws: already_owner when the task holds one; wrong_thread when tasks of another run wait; cancelled; not_in_task and
    /// its kin.
    void acquire();

    /// Takes a token for the current task if there is one and nobody waits for it.
    /// Checkpoint: never. Throws: already_owner when the task holds one; not_in_task.
    [[nodiscard]] bool try_acquire();

    /// acquire, for a borrower of the caller's choice, any address but null. Where several tasks wait for the same borrower,
    /// one whose turn comes while it holds a token gets already_owner.
    /// Checkpoint: always. Cancellation: as acquire. Throws: usage_error for null; as acquire.
    void acquire_on_behalf_of(const void* borrower);

    /// try_acquire, for a borrower of the caller's choice, any address but null.
    /// Checkpoint: never. Throws: usage_error for null; already_owner when the borrower holds one.
    [[nodiscard]] bool try_acquire_on_behalf_of(const void* borrower);

    /// Gives the current task's token back, to whoever waits longest.
    /// Checkpoint: never. Throws: not_owner when the task holds none; wrong_thread; not_in_task.
    void release();

    /// Gives a borrower's token back, from whatever task.
    /// Checkpoint: never. Throws: not_owner when the borrower holds none; wrong_thread.
    void release_on_behalf_of(const void* borrower);

    /// The names that std::lock_guard and its kin use.
    void lock() { acquire(); }
    [[nodiscard]] bool try_lock() { return try_acquire(); }
    void unlock() { release(); }

    std::size_t total() const noexcept { return total_; }

    /// More tokens wake those who wait longest, one each. With fewer nobody loses a token; newcomers wait until enough have
    /// been given back. Checkpoint: never. Throws: invalid_count; wrong_thread.
    void total(integer auto new_total) { set_total(to_count(new_total, "capacity_limiter::total")); }

    std::size_t borrowed() const noexcept { return borrowers_.size(); }

    /// Units: tokens. 0 also when more are borrowed than there are by now.
    std::size_t available() const noexcept;

    capacity_limiter_statistics statistics() const;

private:
    bool take(const void* borrower, const char* what);
    void wait(const void* borrower, const char* where);
    void give_back(const void* borrower, const char* what);
    void set_total(std::size_t new_total);
    void serve();

    // Invariants:
    // 1. Somebody waits => available() == 0.
    // 2. Each borrower has one token.
    // 3. Those who wait have no token yet; each is parked in acquire or acquire_on_behalf_of, the longest waiting first.
    std::size_t total_;
    std::set<const void*> borrowers_;
    intrusive_list<kernel::token_waiter, kernel::by_limiter> waiters_;
};

}  // namespace tombolo
