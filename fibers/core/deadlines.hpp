#pragma once

#include <tombolo/fibers/kernel/timer.hpp>

#include <vector>

namespace tombolo::kernel {

/// The timers of a run, earliest first: an indexed 4-ary heap, so that a changed or dropped deadline leaves nothing behind.
///
/// Invariants:
/// 1. heap_[i].owner->slot == i for every i, and heap_[i].when == owner->when.
/// 2. No element is earlier than its parent, heap_[(i - 1) / 4].
class deadlines {
public:
    bool empty() const noexcept { return heap_.empty(); }
    std::size_t size() const noexcept { return heap_.size(); }

    /// The earliest deadline, time_point::max() when there is none.
    time_point next() const noexcept { return heap_.empty() ? time_point::max() : heap_.front().when; }

    /// Makes sure that the next add() cannot fail. Throws: std::bad_alloc, with nothing changed.
    void reserve_one() {
        if (heap_.size() == heap_.capacity()) heap_.reserve(heap_.size() * 2 + 16);
    }

    /// Requires: reserve_one().
    void add(timer& added) noexcept {
        heap_.push_back({added.when, &added});
        sift_up(heap_.size() - 1, heap_.back());
    }

    void remove(timer& removed) noexcept {
        const std::size_t hole = removed.slot;
        removed.slot = timer::not_registered;
        const entry last = heap_.back();
        heap_.pop_back();
        if (hole == heap_.size()) return;
        if (hole > 0 && last.when < heap_[(hole - 1) / 4].when)
            sift_up(hole, last);
        else
            sift_down(hole, last);
    }

    /// Takes every timer that is due out of the heap and calls its expire function. Returns whether there was one.
    bool expire(time_point now) noexcept {
        bool any = false;
        while (!heap_.empty() && heap_.front().when <= now) {
            timer& due = *heap_.front().owner;
            remove(due);
            due.expire(due);
            any = true;
        }
        return any;
    }

private:
    struct entry {
        time_point when;
        timer* owner;
    };

    void place(std::size_t slot, const entry& placed) noexcept {
        heap_[slot] = placed;
        placed.owner->slot = slot;
    }

    void sift_up(std::size_t slot, const entry moved) noexcept {
        while (slot > 0) {
            const std::size_t parent = (slot - 1) / 4;
            if (heap_[parent].when <= moved.when) break;
            place(slot, heap_[parent]);
            slot = parent;
        }
        place(slot, moved);
    }

    void sift_down(std::size_t slot, const entry moved) noexcept {
        const std::size_t size = heap_.size();
        for (;;) {
            const std::size_t first = slot * 4 + 1;
            if (first >= size) break;
            std::size_t earliest = first;
            for (std::size_t child = first + 1; child < size && child < first + 4; ++child)
                if (heap_[child].when < heap_[earliest].when) earliest = child;
            if (moved.when <= heap_[earliest].when) break;
            place(slot, heap_[earliest]);
            slot = earliest;
        }
        place(slot, moved);
    }

    std::vector<entry> heap_;
};

}  // namespace tombolo::kernel
