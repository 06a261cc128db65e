#pragma once

#include "fibers/context/stack_guard.hpp"
#include "fibers/context/stack_poison.hpp"
#include "fibers/context/stack_slab.hpp"

#include <cstddef>
#include <memory>
#include <vector>

namespace tombolo::kernel {

// The stack of a task that does not ask for a size. It is virtual memory; a parked task is resident in little more
// than one page of it. The guard is not part of it.
// Units: bytes.
inline constexpr std::size_t default_stack_size = 256 * 1024;

// The smallest stack on which an exception can be thrown and caught (5 KiB were measured).
// Units: bytes.
std::size_t minimum_stack_size() noexcept;

// Throws: invalid_stack_size when no stack of this size can be made; the text gives the nearest size that can.
// Units: bytes.
void check_stack_size(std::size_t bytes);

// Plain figures of one pool, summed over its sizes.
struct stack_statistics {
    std::size_t in_use = 0;        // handed out now
    std::size_t free = 0;          // used before, ready for reuse
    std::size_t peak_in_use = 0;   // the sum of each size's peak
    std::size_t mapped_slots = 0;  // slots in all slabs, untouched ones included
    std::size_t mapped_bytes = 0;  // virtual memory of all slabs
    std::size_t slabs = 0;
    std::size_t sizes = 0;                      // different stack sizes seen
    guard_kind guards = guard_kind::automatic;  // the kind in effect: madvise or mprotect
};

// The slots of one size. Two stacks are interchangeable exactly when they have the same owner.
class stack_class {
public:
    std::size_t stack_size() const noexcept { return stack_size_; }

private:
    friend class stack_pool;

    explicit stack_class(std::size_t stack_size) noexcept : stack_size_(stack_size) {}

    std::size_t warm() const noexcept { return put_ - taken_; }
    std::size_t in_use() const noexcept { return cut_ - warm() - cold_; }
    stack* take_cold() noexcept;

    // Gives back the pages of at most `most` warm stacks, from `link` on. Returns how many.
    std::size_t cool(stack** link, std::size_t most) noexcept;

    // Unmaps these slabs and all later ones.
    // Requires: in_use() == 0.
    void drop_slabs(std::vector<stack_slab>::iterator from) noexcept;

    // 1. Free stacks are warm until their pages are given back, then cold. The warm list is newest first. A warm one
    //    is taken before a cold one, and that before a new slot is cut: so `cut_` is also the peak number in use
    //    since the last shrink().
    // 2. The stacks from `idle_from_` on, which is in the warm list or null, have stayed free since the last
    //    trim_idle().
    // 3. `put_` stacks were ever added to the warm list and `taken_` removed. One count for both would be read and
    //    written twice in a row by every short task: 4.5 ns for a pair of calls instead of 2.3.
    // 4. Only the last slab has slots that were never cut.
    stack* newest_warm_ = nullptr;
    stack* idle_from_ = nullptr;
    std::size_t put_ = 0;
    std::size_t taken_ = 0;
    stack* newest_cold_ = nullptr;
    std::size_t cold_ = 0;
    std::size_t cut_ = 0;
    std::size_t mapped_slots_ = 0;
    std::size_t peak_before_shrink_ = 0;
    std::size_t stack_size_;
    std::vector<stack_slab> slabs_;
};

// Guarded stacks for the fibers of one thread, cut from large slabs and reused newest first, because the newest is
// warm.
//
// Nothing here is synchronised: a pool belongs to one thread. A stack keeps its address and its guard until the pool
// dies or shrink() unmaps it while it is free.
class stack_pool {
public:
    explicit stack_pool(guard_kind = guard_kind::automatic);
    stack_pool(const stack_pool&) = delete;
    stack_pool& operator=(const stack_pool&) = delete;

    // Requires: no stack is in use.
    ~stack_pool();

    // A stack whose contents are arbitrary (all zero on the slot's first use).
    // Requires: check_stack_size(stack_size) has passed.
    // Throws: stack_exhausted, with nothing changed, when the kernel has no more memory mappings for us.
    stack& allocate(std::size_t stack_size) {
        if (stack_size == recent_size_ && recent_->newest_warm_ != nullptr) [[likely]] {
            return reuse(*recent_);
        }
        return allocate_slowly(stack_size);
    }

    // The caller may still be running on this stack: nothing in it is touched, and it keeps its contents until
    // somebody allocates or trims.
    void release(stack& released) noexcept {
        stack_class& owner = *released.owner;
        released.next_free = owner.newest_warm_;
        owner.newest_warm_ = &released;
        ++owner.put_;
    }

    // Gives the physical pages of all free stacks back to the kernel but those of the `keep` most recently released
    // ones of each size. Guards survive.
    void trim(std::size_t keep) noexcept;

    // The policy for a run that goes idle: gives back the pages of stacks that have stayed free since the last call,
    // at most `idle_batch` of them so that the run is not held up. Returns whether some are left for the next call.
    bool trim_idle() noexcept;
    static constexpr std::size_t idle_batch = 256;

    // Unmaps the slabs of every size that has no stack in use, but for the oldest ones, up to `kept_slots` slots in
    // all. Sizes that are in use are left alone.
    void shrink() noexcept;
    static constexpr std::size_t kept_slots = 1024;

    stack_statistics statistics() const noexcept;

    // Bytes between the top and the lowest byte that holds something other than zero: the high water of the stack's
    // use.
    // Requires: make_zero() was called before the stack was used.
    // Units: bytes.
    static std::size_t measure_used(const stack&) noexcept;

    // Gives the stack's pages back, so that it reads as zero and measure_used() can tell.
    // Requires: nobody runs on this stack.
    void make_zero(stack&) noexcept;

private:
    stack& reuse(stack_class& from) noexcept {
        stack& taken = *from.newest_warm_;
        from.newest_warm_ = taken.next_free;
        ++from.taken_;
        if (&taken == from.idle_from_) {
            from.idle_from_ = taken.next_free;
        }
        make_readable(taken);
        return taken;
    }

    stack& allocate_slowly(std::size_t stack_size);
    stack_class& class_of(std::size_t stack_size);
    stack& cut(stack_class& from);
    void add_slab(stack_class& to);
    std::size_t stack_count() const noexcept;

    // The size that was asked for last; 0, which nobody asks for, until there was one.
    std::size_t recent_size_ = 0;
    stack_class* recent_ = nullptr;
    guard_kind guards_;
    std::vector<std::unique_ptr<stack_class>> classes_;
};

// The pool of the calling thread; it lives as long as the thread.
stack_pool& this_thread_stack_pool();

// Leaks the pool of the calling thread, with the stacks of tasks that will never end; the thread gets a new one when it
// asks again. Runs that use the old one go on doing so.
void give_up_this_thread_stack_pool();

}  // namespace tombolo::kernel
