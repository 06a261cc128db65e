#pragma once

#include <cstddef>

namespace tombolo::kernel {

// How the low end of a slot is made to fault.
//   madvise    MADV_GUARD_INSTALL (Linux 6.13): a mark in the page table; the mapping stays in one piece. An access
//              raises SIGSEGV with SEGV_MAPERR.
//   mprotect   PROT_NONE: cuts the mapping in two, so that vm.max_map_count limits a process to about 32,000 stacks. An
//              access raises SIGSEGV with SEGV_ACCERR.
//   automatic  madvise where the kernel has it, else mprotect; and mprotect for a guard that the kernel refuses to
//              mark, as it does in memory locked by mlockall.
enum class guard_kind { automatic, madvise, mprotect };

// What `automatic` means on this kernel, which is asked once per process.
// Callable from: any thread.
guard_kind guard_kind_here() noexcept;

// Units: bytes.
std::size_t page_size() noexcept;

// How many bytes below a stack of this size shall fault: a sixteenth of it, at least one page and at most 64 KiB. A
// function whose frame is larger than the guard can step over it; a frame has little reason to be larger than a
// sixteenth of its stack. A guard costs address space only: marking 1 or 5 pages takes the same 0.9 us per slot, 16
// pages 1.2 us.
// Units: bytes.
std::size_t guard_size(std::size_t stack_size) noexcept;

// Mappings that mprotect guards leave to the rest of the process: when the kernel has no mapping left for anybody,
// malloc fails and nobody can handle stack_exhausted.
inline constexpr std::size_t mappings_left_to_others = 1024;

struct guard_result {
    int error;        // 0 or an errno value; ENOMEM also when only mappings_left_to_others are left
    guard_kind kind;  // madvise or mprotect: the one that was used, or tried last
};

// Makes [low, low + bytes) fault. A guard survives MADV_DONTNEED and fork.
// Callable from: any thread.
guard_result install_guard(std::byte* low, std::size_t bytes, guard_kind kind) noexcept;

// To be told when memory with so many mprotect guards has been unmapped.
// Callable from: any thread.
void forget_split_mappings(std::size_t guards) noexcept;

}  // namespace tombolo::kernel
