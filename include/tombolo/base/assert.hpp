#pragma once

#include <cstdio>
#include <cstdlib>

namespace tombolo::kernel {

// Out of line and cold, so that an assertion costs its caller one predicted branch and no registers.
[[noreturn, gnu::cold, gnu::noinline]] inline void assertion_failed(
    const char* condition, const char* sentence, const char* file, int line) noexcept {
    std::fprintf(stderr, "%s:%d: tombolo: %s (assertion `%s` failed)\n", file, line, sentence, condition);
    std::fflush(stderr);
    std::abort();
}

}  // namespace tombolo::kernel

// Ends the process when an invariant is broken, in every build type: after that no answer of the library could be
// trusted. For mistakes that a caller can recover from, throw one of the types in <tombolo/fibers/errors.hpp> instead.
// `sentence` says in plain words what should have been true, or what to do.
#define TOMBOLO_ASSERT(condition, sentence)                                                \
    do {                                                                                   \
        if (!(condition)) [[unlikely]] {                                                   \
            ::tombolo::kernel::assertion_failed(#condition, sentence, __FILE__, __LINE__); \
        }                                                                                  \
    } while (false)
