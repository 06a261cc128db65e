#pragma once

#include "fibers/context/sanitizer.hpp"
#include "fibers/context/stack_slab.hpp"

#if defined(TOMBOLO_ASAN)
    #include <sanitizer/asan_interface.h>
#endif

namespace tombolo::kernel {

// AddressSanitizer marks the gaps between locals in shadow memory, and frames that are left by switching away never
// clear their marks: the next user of the memory would be accused. Neither MADV_DONTNEED nor munmap clears them.
inline void make_readable([[maybe_unused]] std::byte* low, [[maybe_unused]] std::size_t bytes) noexcept {
#if defined(TOMBOLO_ASAN)
    __asan_unpoison_memory_region(low, bytes);
#endif
}

inline void make_readable(stack& reused) noexcept { make_readable(reused.base, reused.usable_bytes()); }

}  // namespace tombolo::kernel
