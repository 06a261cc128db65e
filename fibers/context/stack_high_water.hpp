#pragma once

#include <cstddef>

namespace tombolo::kernel {

// Where the lowest byte that is not zero lies in [base, top); top when all are zero. `base` is page-aligned. Pages
// that were never touched are skipped without being read, and so stay untouched.
const std::byte* lowest_used_byte(const std::byte* base, const std::byte* top) noexcept;

}  // namespace tombolo::kernel
