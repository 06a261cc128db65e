#include "fibers/held_locks/lock_table.hpp"

#include <algorithm>

#include <unwind.h>

namespace tombolo::held_locks {

namespace {

struct walk {
    held* into;
    unsigned most;
    void* first;  ///< frames before this return address are our own
    bool begun;
};

_Unwind_Reason_Code keep_frame(_Unwind_Context* context, void* argument) {
    auto& walking = *static_cast<walk*>(argument);
    auto* address = reinterpret_cast<void*>(_Unwind_GetIP(context));
    walking.begun = walking.begun || address == walking.first;
    if (!walking.begun || address == nullptr) return address == nullptr ? _URC_END_OF_STACK : _URC_NO_REASON;
    walking.into->locked_at[walking.into->frames++] = address;
    return walking.into->frames < walking.most ? _URC_NO_REASON : _URC_END_OF_STACK;
}

}  // namespace

void lock_table::add(const void* lock, held_lock_report::lock_kind kind, void* return_address) noexcept {
    if (depth_ == 0 || unwinding_) [[likely]]
        return;
    for (std::size_t i = 0; i < count_; ++i) {
        if (locks_[i].lock == lock) {
            ++locks_[i].times;
            return;
        }
    }
    if (count_ == most_locks) return;
    held& added = locks_[count_];
    added = {.lock = lock, .kind = kind, .times = 1, .owner = owners_[depth_ - 1], .frames = 0, .locked_at = {}};
    if (frames_ > 1) {
        unwinding_ = true;
        walk walking{&added, frames_, return_address, false};
        _Unwind_Backtrace(keep_frame, &walking);
        unwinding_ = false;
    }
    if (added.frames == 0) {
        added.locked_at[0] = return_address;
        added.frames = 1;
    }
    ++count_;
}

void lock_table::erase(std::size_t at) noexcept {
    std::copy(locks_.begin() + at + 1, locks_.begin() + count_, locks_.begin() + at);
    --count_;
}

void lock_table::remove_known(const void* lock) noexcept {
    // Locks are mostly released in the reverse order.
    for (std::size_t i = count_; i-- > 0;) {
        if (locks_[i].lock != lock) continue;
        if (--locks_[i].times == 0) erase(i);
        return;
    }
}

void lock_table::forget(const task& owner) noexcept {
    for (std::size_t i = count_; i-- > 0;)
        if (locks_[i].owner == &owner) erase(i);
}

}  // namespace tombolo::held_locks
