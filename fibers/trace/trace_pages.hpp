#pragma once

#include "fibers/trace/trace_record.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>

namespace tombolo::kernel {

/// The memory of a trace: a ring of pages. The oldest page as a whole makes room for the newest, so each page can be
/// understood without the others: it introduces the tasks that its records name.
///
/// Invariants:
/// 1. Pages [oldest_, newest_] hold what is recorded; a page's place is its number modulo the number of places.
/// 2. next_ and end_ delimit what is free in the newest page.
class trace_pages {
public:
    /// What a page holds, apart from the records.
    struct page_head {
        std::uint64_t run = 0;     ///< that was being watched when it began; 0: none yet
        std::uint32_t slots = 0;   ///< in use
        std::uint32_t events = 0;  ///< records that are not introductions
    };

    /// Units: bytes, heads of pages included.
    explicit trace_pages(std::size_t bytes);

    bool has_room(std::size_t slots) const noexcept { return static_cast<std::size_t>(end_ - next_) >= slots; }

    /// Requires: has_room(slots).
    trace_record& take(std::size_t slots) noexcept {
        trace_record& taken = *next_;
        next_ += slots;
        return taken;
    }
    void count_event() noexcept { ++head_->events; }

    /// Begins a page; the oldest one is dropped when there is no place left.
    void turn(std::uint64_t run) noexcept;
    void clear(std::uint64_t run) noexcept;

    std::uint64_t recorded() const noexcept;
    std::uint64_t dropped() const noexcept { return dropped_; }
    std::size_t bytes() const noexcept { return places_ * (page_slots_ * sizeof(trace_record) + sizeof(page_head)); }

    /// Calls `page(head)` and then `record(trace_record)` for each record in it, oldest first.
    template <class Page, class Record>
    void for_each(Page&& page, Record&& record) const {
        for (std::uint64_t number = oldest_; number <= newest_; ++number) {
            const page_head& head = heads_[number % places_];
            page(head);
            const trace_record* at = first_slot(number);
            const trace_record* end = number == newest_ ? next_ : at + head.slots;
            for (; at < end; at += slots_for(at->text_size)) record(*at);
        }
    }

private:
    trace_record* first_slot(std::uint64_t number) const noexcept {
        return slots_.get() + (number % places_) * page_slots_;
    }

    static constexpr std::size_t places_ = 16;

    std::size_t page_slots_;
    std::unique_ptr<trace_record[]> slots_;
    std::unique_ptr<page_head[]> heads_;
    std::uint64_t oldest_ = 0;
    std::uint64_t newest_ = 0;
    trace_record* next_;
    trace_record* end_;
    page_head* head_;
    std::uint64_t dropped_ = 0;
};

}  // namespace tombolo::kernel
