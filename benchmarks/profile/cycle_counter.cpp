#include "benchmarks/profile/cycle_counter.hpp"

#include <algorithm>
#include <chrono>
#include <numeric>
#include <vector>

namespace profile {
namespace {

/// One reading of both clocks, of several the one that was disturbed least.
struct both_clocks {
    std::chrono::steady_clock::time_point time;
    std::uint64_t ticks = 0;

    static both_clocks read() {
        both_clocks best;
        auto shortest = std::chrono::steady_clock::duration::max();
        for (int attempt = 0; attempt < 20; ++attempt) {
            const auto before = std::chrono::steady_clock::now();
            const std::uint64_t ticks = read_before();
            const auto after = std::chrono::steady_clock::now();
            if (after - before < shortest) {
                shortest = after - before;
                best = {before + (after - before) / 2, ticks};
            }
        }
        return best;
    }
};

double measure_ns_per_tick() {
    const both_clocks start = both_clocks::read();
    while (std::chrono::steady_clock::now() - start.time < std::chrono::milliseconds{100}) {}
    const both_clocks end = both_clocks::read();
    return std::chrono::duration<double, std::nano>{end.time - start.time}.count() /
        static_cast<double>(end.ticks - start.ticks);
}

}  // namespace

calibration calibrate() {
    constexpr int readings = 200'000;
    std::vector<std::uint64_t> differences;
    differences.reserve(readings);
    for (int i = 0; i < readings; ++i) {
        const std::uint64_t before = read_before();
        const std::uint64_t after = read_after();
        differences.push_back(after - before);
    }
    calibration result;
    result.ns_per_tick = measure_ns_per_tick();
    result.resolution = std::max<std::uint64_t>(
        1,
        std::accumulate(differences.begin(), differences.end(), std::uint64_t{0}, [](std::uint64_t a, std::uint64_t b) {
            return std::gcd(a, b);
        }));
    // An interrupt between two readings is no cost of reading.
    std::sort(differences.begin(), differences.end());
    const auto undisturbed = static_cast<std::ptrdiff_t>(differences.size() * 99 / 100);
    result.overhead =
        std::accumulate(differences.begin(), differences.begin() + undisturbed, 0.0) / static_cast<double>(undisturbed);
    return result;
}

}  // namespace profile
