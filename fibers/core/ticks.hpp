#pragma once

#include <cstdint>

#if !defined(__x86_64__) && !defined(__aarch64__)
    #include <chrono>
#endif

/// The processor's own clock: cheaper to read than the system's, and good enough for budgets, which need not be exact.
namespace tombolo::kernel {

#if defined(__x86_64__)
inline std::uint64_t ticks() noexcept { return __builtin_ia32_rdtsc(); }
/// Units: ticks. Time stamp counters run at 1 to 5 GHz.
constexpr std::uint64_t ticks_in_a_microsecond() noexcept { return 2500; }
#elif defined(__aarch64__)
inline std::uint64_t ticks() noexcept {
    std::uint64_t value;
    asm volatile("mrs %0, cntvct_el0" : "=r"(value));
    return value;
}
inline std::uint64_t ticks_in_a_microsecond() noexcept {
    std::uint64_t frequency;
    asm volatile("mrs %0, cntfrq_el0" : "=r"(frequency));
    return frequency < 1'000'000 ? 1 : frequency / 1'000'000;
}
#else
inline std::uint64_t ticks() noexcept {
    return static_cast<std::uint64_t>(
        std::chrono::steady_clock::now().time_since_epoch() / std::chrono::nanoseconds(1));
}
constexpr std::uint64_t ticks_in_a_microsecond() noexcept { return 1000; }
#endif

}  // namespace tombolo::kernel
