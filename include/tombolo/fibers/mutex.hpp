#pragma once

#include <tombolo/fibers/parking_lot.hpp>

#include <cstddef>

namespace tombolo {

class task;
class condition_variable;

struct mutex_statistics {
    bool locked = false;
    task* owner = nullptr;  ///< null also when the owner has exited without unlocking
    std::size_t tasks_waiting = 0;
};

/// Lets one task at a time in, and knows which: only the task that locked it may unlock it. std::lock_guard,
/// std::unique_lock and std::scoped_lock work on it.
///
/// First come, first served: unlocking hands the mutex to the task that waits longest, so the one that unlocks and locks
/// again at once goes to the end of the queue. Between tasks of a run nothing is needed that guards data for less than a
/// checkpoint: tasks switch only there. Where the order is part of the meaning, say so with strict_fifo_mutex; where
/// another task may unlock, use a semaphore.
///
/// A task that exits without unlocking breaks the mutex for good: everybody who waits or comes later gets
/// broken_resource with its name.
///
/// Lifetime: immovable; nobody may wait when it is destroyed. Not thread-safe.
/// Source: trio.Lock.
class mutex {
public:
    mutex() noexcept : owner_(lot_) {}
    mutex(const mutex&) = delete;
    mutex& operator=(const mutex&) = delete;
    /// Requires: nobody waits.
    ~mutex() = default;

    /// Waits until the current task owns the mutex.
    /// Checkpoint: always. Cancellation: the mutex is not taken; one that was handed over before the cancel is kept.
    /// Throws: already_owner when the task owns it; broken_resource; wrong_thread; cancelled; not_in_task and its kin.
    void lock();

    /// Takes the mutex if nobody has it.
    /// Checkpoint: never. Throws: already_owner when the current task owns it; broken_resource; not_in_task.
    [[nodiscard]] bool try_lock() { return owner_.try_take() || refuse("mutex::try_lock"); }

    /// Hands the mutex to the task that waits longest. Does nothing when the mutex is broken, so that guards of it can end.
    /// Checkpoint: never. Throws: not_owner; not_in_task.
    void unlock() { owner_.hand_over("mutex::unlock"); }

    bool locked() const noexcept { return owner_.get() != nullptr || lot_.broken(); }

    mutex_statistics statistics() const noexcept { return {locked(), owner_.get(), lot_.size()}; }

private:
    friend class condition_variable;
    bool refuse(const char* what) const;

    // Invariants:
    // 1. Somebody waits in lot_ => somebody owns the mutex.
    // 2. The task that owner_ names is the one that owns it; it breaks lot_ when it exits.
    lowlevel::parking_lot lot_;
    lowlevel::lot_owner owner_;
};

}  // namespace tombolo
