#include "fibers/core/entry_queue.hpp"

#include <tombolo/fibers/errors.hpp>

#include <algorithm>
#include <utility>

namespace tombolo::kernel {

namespace {
entry_job closed_sentinel;

[[noreturn]] void throw_run_finished() {
    throw run_finished("run_sync_soon: this token's run has ended (or is shutting down) and calls nothing any more; "
                       "post before the run ends, or do without");
}
}  // namespace

entry_job* entry_queue::closed_mark() noexcept { return &closed_sentinel; }

entry_queue::~entry_queue() {
    for (entry_job* job = closed() ? accepted_before_close_ : newest_.load(); job != nullptr;)
        delete std::exchange(job, job->next);
}

void entry_queue::post(unique_function<void()> job, const void* key) {
    // Before the mutex, which another thread may have held when this process was forked.
    if (born_ != fork_generation) throw_forked_run("run_sync_soon");
    if (key != nullptr) {
        {
            const std::lock_guard lock(keyed_mutex_);
            if (refuses_keyed_) throw_run_finished();
            if (std::ranges::find(keyed_, key, &keyed_job::key) != keyed_.end()) return;
            keyed_.push_back({key, std::move(job)});
            has_keyed_.store(true, std::memory_order_release);
        }
        wake_up.raise();
        return;
    }
    entry_job& added = obtain_entry_job();
    added.job = std::move(job);
    entry_job* newest = newest_.load(std::memory_order_relaxed);
    do {
        if (newest == closed_mark()) {
            delete &added;
            throw_run_finished();
        }
        added.next = newest;
    } while (!newest_.compare_exchange_weak(newest, &added, std::memory_order_release, std::memory_order_relaxed));
    // Only the post that finds the list empty has to call for attention: the others are swept with it.
    if (newest == nullptr) wake_up.raise();
}

entry_job* entry_queue::take_plain() noexcept {
    entry_job* newest = nullptr;
    if (closed())
        newest = std::exchange(accepted_before_close_, nullptr);
    else if (newest_.load(std::memory_order_relaxed) != nullptr)
        newest = newest_.exchange(nullptr, std::memory_order_acquire);
    entry_job* oldest = nullptr;
    while (newest != nullptr) {
        entry_job* older = std::exchange(newest->next, oldest);
        oldest = std::exchange(newest, older);
    }
    return oldest;
}

std::vector<entry_queue::keyed_job> entry_queue::take_keyed() {
    if (!has_keyed_.load(std::memory_order_acquire)) return {};
    const std::lock_guard lock(keyed_mutex_);
    has_keyed_.store(false, std::memory_order_relaxed);
    return std::exchange(keyed_, {});
}

void entry_queue::take_posted_slots() {
    posted_.clear();
    for (signal_slot* slot : slots_)
        if (slot->pending.exchange(false, std::memory_order_acq_rel)) posted_.push_back(slot);
    std::ranges::reverse(posted_);
}

signal_slot* entry_queue::next_posted_slot() noexcept {
    while (!posted_.empty()) {
        signal_slot* slot = posted_.back();
        posted_.pop_back();
        if (slot != nullptr) return slot;
    }
    return nullptr;
}

bool entry_queue::has_jobs() const noexcept {
    const entry_job* newest = newest_.load(std::memory_order_acquire);
    return (newest != nullptr && newest != closed_mark()) || has_keyed_.load(std::memory_order_acquire) ||
        std::ranges::any_of(slots_, [](const signal_slot* slot) { return slot->pending.load(); });
}

std::size_t entry_queue::size() const noexcept {
    // Only this thread removes jobs, so the list can be walked while others push in front.
    std::size_t n = 0;
    for (const entry_job* job = newest_.load(std::memory_order_acquire); job != nullptr && job != closed_mark();
         job = job->next)
        ++n;
    const std::lock_guard lock(keyed_mutex_);
    return n + keyed_.size();
}

void entry_queue::close() noexcept {
    {
        const std::lock_guard lock(keyed_mutex_);
        refuses_keyed_ = true;
    }
    refuses_signals_.store(true, std::memory_order_seq_cst);
    if (!closed()) accepted_before_close_ = newest_.exchange(closed_mark(), std::memory_order_acq_rel);
}

void entry_queue::remove_signal_slot(signal_slot& slot) noexcept {
    std::erase(slots_, &slot);
    std::ranges::replace(posted_, &slot, nullptr);
    if (running_ == &slot) running_ = nullptr;
}

bool entry_queue::post_from_signal(signal_slot& slot) noexcept {
    if (born_ != fork_generation) return false;
    // Set first, look then: if the run closes in between, either it still takes the slot or we take it back.
    slot.pending.store(true, std::memory_order_seq_cst);
    if (refuses_signals_.load(std::memory_order_seq_cst) && slot.pending.exchange(false, std::memory_order_seq_cst))
        return false;
    wake_up.raise();
    return true;
}

}  // namespace tombolo::kernel
