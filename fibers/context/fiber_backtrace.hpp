#pragma once

#include "fibers/context/fiber.hpp"

#include <vector>

namespace tombolo::kernel {

/// Return addresses of a suspended fiber's frames, innermost first, ending at the fiber's entry. Empty where this build has
/// no way to find them (the boost backend), or where too little stack is left to look.
/// Requires: `suspended` has started, is suspended, and stays so; called on its thread.
std::vector<void*> backtrace_of(const fiber& suspended);

}  // namespace tombolo::kernel
