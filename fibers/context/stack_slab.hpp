#pragma once

#include "fibers/context/stack_guard.hpp"
#include "fibers/context/valgrind.hpp"

#include <cstddef>
#include <cstdint>

namespace tombolo::kernel {

class stack_class;

// One slot of a slab. The record lies outside of the stack's own memory, so that a free stack costs no page.
struct stack {
    std::byte* base;     // lowest usable byte, just above the guard
    std::byte* top;      // where the first frame begins: 64-byte aligned, coloured
    stack_class* owner;  // same owner: same size, interchangeable
    stack* next_free;    // meaningful in the free list only
    std::uint32_t guard_bytes;
    std::uint32_t colour;  // bytes between the top and the end of the slot

    const std::byte* guard_low() const noexcept { return base - guard_bytes; }
    const std::byte* guard_high() const noexcept { return base; }
    // Units: bytes. The stack size that was asked for.
    std::size_t usable_bytes() const noexcept { return static_cast<std::size_t>(top - base) + colour; }
};

// Where the slots of one size lie relative to each other.
//
// Two things keep hot frames of different stacks out of each other's way. Colours: tops differ by multiples of 64
// bytes, at most 1 KiB so that a parked task still fits in one page. And an odd number of pages from slot to slot: at
// a power of two all stacks would compete for a few sets of the TLB (1000 stacks visited in turn: 7.0 ns each at 64
// pages, 5.2 at 65).
struct slot_layout {
    std::size_t stack_bytes;
    std::size_t guard_bytes;

    explicit slot_layout(std::size_t stack_size) noexcept;
    std::size_t bytes() const noexcept { return stack_bytes + guard_bytes; }
};

// One mapping: the records of its slots, then the slots, lowest first. A slot is [guard | stack].
// The kernel may use no huge pages in it: one touched byte would make 2 MiB resident.
class stack_slab {
public:
    // Maps room for `slots` slots, or for fewer if the kernel refuses so many.
    // Throws: std::system_error when it refuses even one.
    stack_slab(const slot_layout& layout, std::size_t slots);
    stack_slab(stack_slab&& other) noexcept;
    stack_slab& operator=(stack_slab&& other) noexcept;
    ~stack_slab();

    const slot_layout& layout() const noexcept { return layout_; }
    std::size_t slots() const noexcept { return slots_; }
    std::size_t cut_slots() const noexcept { return cut_; }
    std::size_t mapped_bytes() const noexcept { return mapped_bytes_; }
    bool is_used_up() const noexcept { return cut_ == slots_; }

    // Guards the next slot. Returns 0 or an errno value, and may be tried again then.
    // Requires: !is_used_up().
    int guard_next_slot(guard_kind kind) noexcept;

    // Makes the record of the next slot.
    // Requires: guard_next_slot() has just succeeded.
    stack& cut(stack_class& owner) noexcept;

    // Detaches all records from their owner, so that a free list can tell which stacks are about to vanish.
    void disown() noexcept;

private:
    std::byte* next_slot() const noexcept;
    stack* records() const noexcept;
    void unmap() noexcept;

    slot_layout layout_;
    std::byte* mapping_ = nullptr;
    std::byte* first_slot_ = nullptr;
    std::size_t mapped_bytes_ = 0;
    std::size_t slots_ = 0;
    std::size_t cut_ = 0;
    std::size_t split_mappings_ = 0;  // how many of the slots are guarded by mprotect
    valgrind_stacks valgrind_;        // the slots that were cut
};

}  // namespace tombolo::kernel
