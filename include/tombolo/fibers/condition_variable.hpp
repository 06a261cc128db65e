#pragma once

#include <tombolo/fibers/checkpoint.hpp>
#include <tombolo/fibers/count.hpp>
#include <tombolo/fibers/mutex.hpp>
#include <tombolo/fibers/parking_lot.hpp>

#include <concepts>
#include <cstddef>

namespace tombolo {

struct condition_variable_statistics {
    std::size_t tasks_waiting = 0;
    mutex_statistics lock_statistics = {};
};

/// Tells tasks that something has changed which a mutex guards. Wait for it in a loop or with a predicate: between the
/// notification and the return other tasks own the mutex.
///
/// Notified tasks queue for the mutex behind those that wait for it already, and return when they own it. For what happens
/// once and stays so, an event is simpler.
///
/// Lifetime: immovable; the mutex outlives it; nobody may wait when it is destroyed. Not thread-safe.
/// Source: trio.Condition; where a task that has been notified ends its wait with an error, the notification goes on to the
/// next one instead of being lost.
class condition_variable {
public:
    explicit condition_variable(mutex& lock) noexcept : mutex_(lock) {}
    condition_variable(const condition_variable&) = delete;
    condition_variable& operator=(const condition_variable&) = delete;
    /// Requires: nobody waits.
    ~condition_variable() = default;

    /// Unlocks the mutex, waits until notified, and locks it again.
    /// Checkpoint: always. Cancellation: the mutex is locked again, whatever that takes, before `cancelled` or
    /// keyboard_interrupt leaves. Throws: not_owner unless the current task owns the mutex; cancelled; broken_resource when the mutex was broken
    /// meanwhile, and then it is not owned; not_in_task and its kin.
    void wait();

    /// Waits until `predicate()` is true; it is called while the mutex is owned.
    /// Checkpoint: always. Cancellation: as wait(). Throws: as wait(), and what the predicate throws.
    template <std::predicate Predicate>
    void wait(Predicate predicate) {
        require_lock("condition_variable::wait");
        if (predicate()) return checkpoint();
        do wait();
        while (!predicate());
    }

    /// Lets the `count` tasks that wait longest queue for the mutex.
    /// Checkpoint: never. Throws: not_owner unless the current task owns the mutex; invalid_count when negative.
    void notify(integer auto count) { notify_up_to(to_count(count, "condition_variable::notify: the count")); }
    void notify() { notify_up_to(1); }
    void notify_all() { notify_up_to(lot_.size()); }

    condition_variable_statistics statistics() const noexcept { return {lot_.size(), mutex_.statistics()}; }

private:
    void require_lock(const char* what) const;
    void notify_up_to(std::size_t count);
    void end_wait(bool notified);

    // Invariants:
    // 1. Those who wait in lot_ do not own the mutex and have not been notified.
    mutex& mutex_;
    lowlevel::parking_lot lot_;
};

}  // namespace tombolo
