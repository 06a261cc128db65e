#include "fibers/core/entry_job.hpp"

#include <atomic>
#include <utility>

namespace tombolo::kernel {

namespace {

/// Spent jobs of all threads. Only ever pushed to and emptied as a whole, so there is no ABA problem.
std::atomic<entry_job*> recycled{nullptr};

/// What this thread took from there.
struct thread_cache {
    entry_job* first = nullptr;
    ~thread_cache() {
        while (first != nullptr) delete std::exchange(first, first->next);
    }
};
thread_local thread_cache cache;

}  // namespace

entry_job& obtain_entry_job() {
    if (cache.first == nullptr && recycled.load(std::memory_order_relaxed) != nullptr)
        cache.first = recycled.exchange(nullptr, std::memory_order_acquire);
    if (cache.first == nullptr) return *new entry_job;
    entry_job& job = *std::exchange(cache.first, cache.first->next);
    job.next = nullptr;
    return job;
}

void spent_entry_jobs::add(entry_job& spent) noexcept {
    if (count_ == keep_at_most) {
        delete &spent;
        return;
    }
    spent.job = {};
    spent.next = first_;
    first_ = &spent;
    if (last_ == nullptr) last_ = &spent;
    ++count_;
}

void spent_entry_jobs::give_back() noexcept {
    if (first_ == nullptr) return;
    entry_job* others = recycled.load(std::memory_order_relaxed);
    do last_->next = others;
    while (!recycled.compare_exchange_weak(others, first_, std::memory_order_release, std::memory_order_relaxed));
    first_ = last_ = nullptr;
    count_ = 0;
}

}  // namespace tombolo::kernel
