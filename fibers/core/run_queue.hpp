#pragma once

#include "fibers/context/fiber.hpp"

#include <cstddef>

namespace tombolo::kernel {

struct cancel_status;

/// A place in the run queue, and all that a switch touches: one cache line, but for what the sanitizers add.
struct run_link {
    run_link* next = nullptr;
    run_link* previous = nullptr;
    cancel_status* status = nullptr;
    kernel::fiber fiber;  ///< fiber.owner_count: checkpoints that were both cancel point and schedule point
};

/// The runnable tasks and the running one, as a ring. The head is the running task, or the run loop's own link, the mark. A
/// task that lets others run only hands the head on and is at the end of the ring by that: it writes nothing.
///
/// What becomes runnable joins right behind everything that has had its turn, that is, just before the head. So the tasks
/// between the head and the mark are the rest of the current batch, and those behind the mark wait for the next pass.
///
/// Invariants:
/// 1. From the mark, `next` leads through every member and back to the mark; `previous` the same way round.
/// 2. size_ is the number of members but for the mark.
/// 3. A link outside the ring has null pointers.
class run_queue {
public:
    run_queue() noexcept { mark_.next = mark_.previous = head_ = &mark_; }
    run_queue(const run_queue&) = delete;
    run_queue& operator=(const run_queue&) = delete;

    /// Joins the next pass; if the run loop runs, the coming one.
    void push(run_link& added) noexcept {
        added.next = head_;
        added.previous = head_->previous;
        head_->previous->next = &added;
        head_->previous = &added;
        ++size_;
    }

    /// Takes a member that is not the head out of the ring.
    void remove(run_link& removed) noexcept {
        removed.previous->next = removed.next;
        removed.next->previous = removed.previous;
        removed.next = removed.previous = nullptr;
        --size_;
    }

    run_link* head() const noexcept { return head_; }
    void head(run_link* next) noexcept { head_ = next; }
    bool at_mark(const run_link* link) const noexcept { return link == &mark_; }
    /// The run loop's place: where one pass ends and the next begins.
    run_link& mark() noexcept { return mark_; }

    static bool contains(const run_link& link) noexcept { return link.next != nullptr; }
    bool empty() const noexcept { return size_ == 0; }
    /// Units: tasks, the running one included.
    std::size_t size() const noexcept { return size_; }

private:
    run_link mark_;
    run_link* head_;
    std::size_t size_ = 0;
};

}  // namespace tombolo::kernel
