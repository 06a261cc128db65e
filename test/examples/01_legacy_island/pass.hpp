#pragma once

#include "limits.hpp"
#include "resource.hpp"
#include "verdict.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <stdexcept>
#include <vector>

namespace legacy_island {

/// How one pass over all resources went: a verdict for each, in their order.
struct pass {
    std::vector<verdict> verdicts;
    std::chrono::duration<double> wall{};

    std::size_t fetched() const { return static_cast<std::size_t>(std::ranges::count_if(verdicts, &verdict::fetched)); }
};

/// One resource after the other, with blocking sockets.
pass fetch_serially(const std::vector<resource>& resources, const limits& bounds);

/// The user pressed Ctrl-C while an island was at work.
struct interrupted : std::runtime_error {
    using std::runtime_error::runtime_error;
};

/// All resources at once, a task for each, inside an island: the caller is synchronous and waits for the end.
/// Throws: interrupted.
pass fetch_on_island(const std::vector<resource>& resources, const limits& bounds);

}  // namespace legacy_island
