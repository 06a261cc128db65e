#pragma once

#include <chrono>
#include <random>
#include <vector>

namespace bench {

/// How long each of `count` sleepers sleeps: random, the same in every library and run, up to `longest`.
inline std::vector<std::chrono::nanoseconds> sleep_times(int count, std::chrono::nanoseconds longest) {
    std::mt19937_64 random{20240229};
    std::uniform_int_distribution<std::chrono::nanoseconds::rep> any{0, longest.count()};
    std::vector<std::chrono::nanoseconds> times;
    times.reserve(static_cast<std::size_t>(count));
    for (int i = 0; i < count; ++i) {
        times.emplace_back(any(random));
    }
    return times;
}

}  // namespace bench
