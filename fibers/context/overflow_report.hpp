#pragma once

#include "fibers/context/signal_stack.hpp"

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace tombolo::kernel {

// What the report needs to know of the fiber that runs on the faulting thread.
struct overflow_subject {
    const std::byte* guard_low;
    const std::byte* guard_high;
    std::size_t stack_size;
    std::string_view task_name;
};

// Whether a fault is an overflow of this stack: it hit the guard, and the stack pointer is down there itself. A wild
// pointer may hit the guard too, but from a frame that is still well inside of the stack.
// Callable from: signal handler.
bool is_overflow(const overflow_subject& subject, std::uintptr_t address, std::uintptr_t stack_pointer) noexcept;

// Fills in the fiber that runs on the calling thread now; false when there is none.
// Callable from: signal handler (must be async-signal-safe).
using overflow_lookup = bool (*)(overflow_subject&) noexcept;

// Puts a SIGSEGV handler in front of the one installed now. It claims a fault only if it is an overflow of the fiber
// that runs on this thread; then it prints the task's name, its stack size and what to change, restores the previous
// action, and lets the fault happen again: the process dies by SIGSEGV with its core as it was. Every other fault goes
// to the handler that was there before, silently.
//
// Needs a signal_stack on every thread that runs fibers. A frame larger than the guard can step over it unnoticed.
//
// Once per process; later calls only replace the lookup. A SIGSEGV handler that the program installs afterwards
// replaces ours: no reports then, unless it chains. SIGBUS is left alone: both kinds of guard raise SIGSEGV. An earlier
// handler that we pass a fault on to runs on the alternate signal stack even if it did not ask for one.
// Callable from: any thread.
void install_overflow_report(overflow_lookup lookup) noexcept;

}  // namespace tombolo::kernel
