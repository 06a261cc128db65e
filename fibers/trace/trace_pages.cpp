#include "fibers/trace/trace_pages.hpp"

namespace tombolo::kernel {

trace_pages::trace_pages(std::size_t bytes)
    : page_slots_((bytes / places_ - sizeof(page_head)) / sizeof(trace_record)),
      slots_(std::make_unique_for_overwrite<trace_record[]>(places_ * page_slots_)),
      heads_(std::make_unique<page_head[]>(places_)),
      next_(first_slot(0)),
      end_(next_ + page_slots_),
      head_(heads_.get()) {}

void trace_pages::turn(std::uint64_t run) noexcept {
    head_->slots = static_cast<std::uint32_t>(next_ - first_slot(newest_));
    ++newest_;
    head_ = &heads_[newest_ % places_];
    if (newest_ - oldest_ == places_) {
        dropped_ += head_->events;
        ++oldest_;
    }
    *head_ = {.run = run};
    next_ = first_slot(newest_);
    end_ = next_ + page_slots_;
}

void trace_pages::clear(std::uint64_t run) noexcept {
    oldest_ = newest_;
    dropped_ = 0;
    head_ = &heads_[newest_ % places_];
    *head_ = {.run = run};
    next_ = first_slot(newest_);
    end_ = next_ + page_slots_;
}

std::uint64_t trace_pages::recorded() const noexcept {
    std::uint64_t sum = 0;
    for (std::uint64_t number = oldest_; number <= newest_; ++number) sum += heads_[number % places_].events;
    return sum;
}

}  // namespace tombolo::kernel
