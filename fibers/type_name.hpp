#pragma once

#include <cstddef>
#include <string>
#include <typeinfo>

namespace tombolo::kernel {

// A type's name as a programmer writes it. The runtime's demangler takes 64 bytes of stack for each character, so on a
// stack with too little left the name stays as the compiler mangled it.
std::string type_name(const std::type_info& type);

// How type_name learns what is left of the calling thread's stack; without it, enough.
// Callable from: any thread.
void measure_stack_room_with(std::size_t (*bytes_left)() noexcept) noexcept;

}  // namespace tombolo::kernel
