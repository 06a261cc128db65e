#pragma once

#include <tombolo/base/intrusive_list.hpp>
#include <tombolo/fibers/kernel/lock_holder.hpp>
#include <tombolo/fibers/kernel/parked_waiter.hpp>

#include <cstddef>
#include <list>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace tombolo {

class task;

namespace kernel {
struct lot_access;
struct lot_keepers;
}  // namespace kernel

namespace lowlevel {

class lot_owner;

struct parking_lot_statistics {
    std::size_t tasks_waiting = 0;
};

/// A queue of parked tasks, first come first woken: the ground that synchronisation primitives stand on.
///
/// Lifetime: immovable; nobody may wait when it is destroyed. Not thread-safe.
/// Source: trio.lowlevel.ParkingLot.
class parking_lot {
public:
    parking_lot() noexcept;
    parking_lot(const parking_lot&) = delete;
    parking_lot& operator=(const parking_lot&) = delete;
    /// Forgets its breakers. Requires: nobody waits.
    ~parking_lot();

    /// Waits until unparked. `where` names the wait in task trees and error texts; it must be a string that lives for ever.
    /// Checkpoint: always. Cancellation: leaves the lot in which the task waits by then. Throws: broken_resource when the
    /// lot is broken or gets broken; cancelled; invalid_reschedule when somebody else rescheduled the task; wrong_thread when
    /// tasks of another run wait here; not_in_task and its kin.
    void park(const char* where = "parking_lot::park") {
        kernel::parked_waiter here(*this, where);
        kernel::park_in_lot(here);
    }

    /// Wakes up to `count` tasks, longest waiting first, and returns them.
    /// Checkpoint: never. Throws: wrong_thread.
    std::vector<task*> unpark(std::size_t count = 1);
    std::vector<task*> unpark_all();

    /// Wakes the task that waits longest and returns it; null when nobody waits. Allocates nothing.
    /// Checkpoint: never. Throws: wrong_thread.
    task* unpark_one();

    /// The task that waits longest; null when nobody waits.
    task* first() noexcept;

    /// Moves up to `count` waiting tasks, in order, behind those that wait in `other`. They go on sleeping.
    /// Checkpoint: never. Throws: usage_error when `other` is this lot; wrong_thread.
    void repark(parking_lot& other, std::size_t count = 1);
    void repark_all(parking_lot& other);

    /// Wakes everybody with broken_resource, and all who park later. `breaker` (null: the current task) is named in the
    /// errors; more than one can break a lot.
    /// Checkpoint: never. Throws: not_in_task without a `breaker`; wrong_thread.
    void break_lot(const task* breaker = nullptr);
    bool broken() const noexcept;

    /// Throws: broken_resource, with `what` and the breakers in its text, when the lot is broken.
    void require_unbroken(const char* what) const;

    std::size_t size() const noexcept { return size_; }
    bool empty() const noexcept { return size_ == 0; }
    parking_lot_statistics statistics() const noexcept { return {size_}; }

private:
    friend class lot_owner;
    friend struct kernel::lot_access;
    friend void add_parking_lot_breaker(task& owner, parking_lot& lot);
    friend void remove_parking_lot_breaker(task& owner, parking_lot& lot);
    bool is_on_own_thread() const noexcept;
    void require_own_thread(const char* what) const;
    kernel::lot_keepers& keepers();

    // Invariants:
    // 1. size_ is the number of waiters_; each belongs to a task parked in park(), and its lot pointer is this lot.
    // 2. The lot is broken => nobody waits.
    // 3. keepers_ is null while the lot was never broken and never had a breaker added.
    intrusive_list<kernel::parked_waiter, kernel::by_lot> waiters_;
    std::size_t size_ = 0;
    std::unique_ptr<kernel::lot_keepers> keepers_;
};

/// The task that answers for a parking lot, or nobody: when it exits as such the lot breaks. It is what makes a lock of a
/// lot, without an allocation.
///
/// Lifetime: immovable; the lot outlives it. Not thread-safe.
/// Source: trio.lowlevel.add_parking_lot_breaker, as trio.Lock uses it.
class lot_owner {
public:
    explicit lot_owner(parking_lot& lot) noexcept : lot_(lot) {}
    lot_owner(const lot_owner&) = delete;
    lot_owner& operator=(const lot_owner&) = delete;
    /// Whoever it is answers no longer.
    ~lot_owner() {
        if (owner_ != nullptr) answer_no_longer();
    }

    /// The current task answers from now on. False when another one does, or the lot is broken.
    /// Checkpoint: never. Throws: not_in_task.
    [[nodiscard]] bool try_take() {
        kernel::lock_holder* self = kernel::task_that_may_block();
        if (self == nullptr || owner_ != nullptr || lot_.broken()) [[unlikely]]
            return try_take_slowly();
        answer(*self);
        return true;
    }

    /// The task that waits longest in the lot wakes up and answers from now on; nobody, when nobody waits. `what` names
    /// the caller in error texts. Nothing happens when the lot is broken: it has no owner any more, and everybody knows.
    /// Checkpoint: never. Throws: not_owner unless the current task answers; wrong_thread; not_in_task.
    void hand_over(const char* what) {
        // Last taken, first given back, and nobody waits.
        if (owner_ == nullptr || owner_ != kernel::task_that_may_block() || owner_->answers_for != this ||
            !lot_.empty()) [[unlikely]]
            return hand_over_slowly(what);
        kernel::lock_holder& self = *std::exchange(owner_, nullptr);
        // The same twice, so that where it is the only lock, as usual, nothing waits for what try_take has just written.
        if (next_ == nullptr) [[likely]] {
            asm volatile("");
            self.answers_for = nullptr;
        } else {
            self.answers_for = next_;
        }
    }

    /// Checkpoint: never. Throws: not_owner unless the current task answers; not_in_task.
    void require_current_task(const char* what) const;

    /// Null when nobody answers.
    task* get() const noexcept;

private:
    friend struct kernel::lot_access;
    friend void add_parking_lot_breaker(task& owner, parking_lot& lot);
    friend void remove_parking_lot_breaker(task& owner, parking_lot& lot);
    void answer(kernel::lock_holder& owner) noexcept {
        owner_ = &owner;
        next_ = owner.answers_for;
        owner.answers_for = this;
    }
    void answer_no_longer() noexcept;
    bool try_take_slowly();
    void hand_over_slowly(const char* what);

    // Invariants:
    // 1. owner_ has not exited; from its record next_ leads through everything that it answers for.
    kernel::lock_holder* owner_ = nullptr;
    parking_lot& lot_;
    lot_owner* next_ = nullptr;
};

}  // namespace lowlevel

namespace kernel {

/// What few lots need.
struct lot_keepers {
    std::vector<std::string> broken_by;       ///< names, for error texts; not empty <=> the lot is broken
    std::list<lowlevel::lot_owner> breakers;  ///< a task is there as often as it was added and not removed
};

}  // namespace kernel

namespace lowlevel {

inline parking_lot::parking_lot() noexcept = default;
inline parking_lot::~parking_lot() { TOMBOLO_ASSERT(empty(), "nobody may wait in a parking lot that is destroyed"); }
inline bool parking_lot::broken() const noexcept { return keepers_ != nullptr && !keepers_->broken_by.empty(); }

/// Registers `owner` to break `lot` when it exits. Registering twice takes removing twice.
/// Checkpoint: never. Source: trio.lowlevel.add_parking_lot_breaker.
void add_parking_lot_breaker(task& owner, parking_lot& lot);

/// Checkpoint: never. Throws: not_a_breaker. Source: trio.lowlevel.remove_parking_lot_breaker.
void remove_parking_lot_breaker(task& owner, parking_lot& lot);

}  // namespace lowlevel
}  // namespace tombolo
