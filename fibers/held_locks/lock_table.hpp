#pragma once

#include <tombolo/fibers/held_locks.hpp>

#include <array>
#include <cstddef>

namespace tombolo::held_locks {

inline constexpr std::size_t most_frames = 16;
inline constexpr std::size_t most_locks = 64;

/// A lock that this thread holds.
struct held {
    const void* lock;
    held_lock_report::lock_kind kind;
    unsigned times;  ///< recursive mutexes, and read locks
    const task* owner;
    unsigned frames;
    std::array<void*, most_frames> locked_at;
};

/// The locks that this thread holds, oldest first: of those that were taken while a task made a watched step.
///
/// Nothing here allocates, locks or throws: it runs inside of every pthread_mutex_lock of the process, before main() and in
/// destructors of thread-local objects as well. Hence plain data, constant-initialised and trivially destroyed.
///
/// Invariants:
/// 1. owners_[0, depth_) are the tasks that make a watched step on this thread, innermost last: a step of a run may drive
///    another run, its guest. What does not fit is not recorded.
/// 2. count_ <= most_locks; what does not fit is not recorded.
class lock_table {
public:
    void step_begins(const task& owner, unsigned frames) noexcept {
        if (depth_ < owners_.size()) owners_[depth_++] = &owner;
        frames_ = frames;
    }
    void step_ends(const task& owner) noexcept {
        if (depth_ != 0 && owners_[depth_ - 1] == &owner) --depth_;
    }

    void add(const void* lock, held_lock_report::lock_kind kind, void* return_address) noexcept;
    void remove(const void* lock) noexcept {
        if (count_ != 0) [[unlikely]]
            remove_known(lock);
    }
    /// Of a task that is gone: whoever gets its memory must not inherit them.
    void forget(const task& owner) noexcept;

    bool empty() const noexcept { return count_ == 0; }
    template <class Visit>
    void for_each_of(const task& owner, Visit&& visit) const {
        for (std::size_t i = 0; i < count_; ++i)
            if (locks_[i].owner == &owner) visit(locks_[i]);
    }

private:
    void remove_known(const void* lock) noexcept;
    void erase(std::size_t at) noexcept;

    std::size_t depth_ = 0;
    unsigned frames_ = 1;
    bool unwinding_ = false;  ///< the unwinder may lock something itself
    std::array<const task*, 8> owners_{};
    std::size_t count_ = 0;
    std::array<held, most_locks> locks_{};
};

/// Defined beside the functions that take libc's place, so that whoever uses the detector gets them as well: the linker
/// takes them from an archive only if something else in the same object is asked for, because calls of pthread functions
/// may be weak.
lock_table& this_thread_locks() noexcept;

}  // namespace tombolo::held_locks
