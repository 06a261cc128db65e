#pragma once

#include <tombolo/fibers/count.hpp>
#include <tombolo/fibers/parking_lot.hpp>

#include <cstddef>
#include <limits>

namespace tombolo {

struct semaphore_statistics {
    std::size_t value = 0;
    std::size_t tasks_waiting = 0;
};

struct semaphore_options {
    /// The value may not grow beyond it; the largest number there is means: never mind.
    std::size_t max_value = std::numeric_limits<std::size_t>::max();
};

/// A number of units that tasks take and give back; any task may give. First come, first served: a unit that is given goes
/// to the task that waits longest. std::lock_guard and its kin work on it: they hold one unit.
///
/// Where each unit belongs to whoever took it, use a capacity_limiter; where there is one unit, a mutex: both notice what
/// a semaphore cannot, a unit given back twice or by the wrong task.
///
/// Lifetime: immovable; nobody may wait when it is destroyed. Not thread-safe.
/// Source: trio.Semaphore.
class semaphore {
public:
    /// `initial`: 0 or more. Throws: invalid_count when it is negative or greater than max_value.
    explicit semaphore(integer auto initial, semaphore_options options = {})
        : semaphore(checked_initial{}, to_count(initial, "semaphore: the initial value"), options) {}
    semaphore(const semaphore&) = delete;
    semaphore& operator=(const semaphore&) = delete;
    /// Requires: nobody waits.
    ~semaphore() = default;

    /// Waits until there is a unit, and takes it.
    /// Checkpoint: always. Cancellation: no unit is taken; one that was handed over before the cancel is kept.
    /// Throws: wrong_thread; cancelled; not_in_task and its kin.
    void acquire();

    /// Takes a unit if there is one.
    /// Checkpoint: never.
    [[nodiscard]] bool try_acquire() noexcept {
        if (value_ == 0) return false;
        --value_;
        return true;
    }

    /// Gives a unit, to the task that waits longest.
    /// Checkpoint: never. Throws: released_too_often when the value is max_value; wrong_thread.
    void release() {
        if (!lot_.empty() && lot_.unpark_one() != nullptr) return;
        if (value_ == max_value_)
            refuse_release();
        else
            ++value_;
    }

    /// The names that std::lock_guard and its kin use.
    void lock() { acquire(); }
    [[nodiscard]] bool try_lock() noexcept { return try_acquire(); }
    void unlock() { release(); }

    /// Units that nobody has.
    std::size_t value() const noexcept { return value_; }
    std::size_t max_value() const noexcept { return max_value_; }

    semaphore_statistics statistics() const noexcept { return {value_, lot_.size()}; }

private:
    struct checked_initial {};
    semaphore(checked_initial, std::size_t initial, semaphore_options options);
    [[noreturn]] void refuse_release() const;

    // Invariants:
    // 1. value_ <= max_value_.
    // 2. Somebody waits in lot_ => value_ == 0.
    std::size_t value_;
    std::size_t max_value_;
    lowlevel::parking_lot lot_;
};

}  // namespace tombolo
