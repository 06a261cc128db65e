#pragma once

#include <chrono>
#include <cstddef>

namespace legacy_island {

/// How long and how much. Both passes honour the same limits.
struct limits {
    std::chrono::milliseconds request{5'000};   // one resource, from connect to the last byte
    std::chrono::milliseconds overall{60'000};  // one pass over all resources
    std::size_t body_bytes = 8 * 1024 * 1024;   // the longest body that is read
};

}  // namespace legacy_island
