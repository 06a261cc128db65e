#pragma once

#include <cstddef>
#include <string>

namespace tombolo::kernel {

// Texts of stack_exhausted. People meet these limits as an unexplained "Cannot allocate memory"; each text names the
// limit, its value on this machine, how far the thread got, and the ways out.

// The kernel refused memory for one more stack of this size.
std::string why_no_mapping(int error, std::size_t stack_size, std::size_t stacks);

// The kernel refused to guard one more stack.
std::string why_no_guard(int error, std::size_t stacks);

}  // namespace tombolo::kernel
