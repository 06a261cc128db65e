#pragma once

#include <cstdint>

#if defined(__x86_64__)
    #include <x86intrin.h>
#elif !defined(__aarch64__)
    #error "the profiler knows the cycle counters of x86-64 and AArch64 only"
#endif

namespace profile {

#if defined(__x86_64__)

inline constexpr const char* cycle_counter_name = "time stamp counter (lfence+rdtsc+lfence, rdtscp+lfence)";

/// Reads the counter when everything before has completed and before anything after begins.
[[gnu::always_inline]] inline std::uint64_t read_before() {
    _mm_lfence();
    const std::uint64_t ticks = __rdtsc();
    _mm_lfence();
    return ticks;
}

/// Reads the counter when everything before has completed.
[[gnu::always_inline]] inline std::uint64_t read_after() {
    unsigned processor = 0;
    const std::uint64_t ticks = __rdtscp(&processor);
    _mm_lfence();
    return ticks;
}

#else

inline constexpr const char* cycle_counter_name = "virtual counter (isb+cntvct_el0+isb)";

[[gnu::always_inline]] inline std::uint64_t read_before() {
    std::uint64_t ticks = 0;
    asm volatile("isb\n\tmrs %0, cntvct_el0\n\tisb" : "=r"(ticks) : : "memory");
    return ticks;
}

[[gnu::always_inline]] inline std::uint64_t read_after() { return read_before(); }

#endif

/// What has to be known to turn a difference of two readings into time.
struct calibration {
    double ns_per_tick = 0;
    std::uint64_t resolution = 1;  ///< Units: ticks. The counter moves in steps of this size.
    double overhead = 0;           ///< Units: ticks. What two readings with nothing in between differ by, on average.

    double resolution_ns() const { return static_cast<double>(resolution) * ns_per_tick; }
    double overhead_ns() const { return overhead * ns_per_tick; }
};

/// Measures the counter against std::chrono::steady_clock. Takes about a tenth of a second.
calibration calibrate();

}  // namespace profile
