#include "fibers/trace/tick_clock.hpp"

#include <chrono>

#if defined(__x86_64__)
    #include <cpuid.h>
#endif

namespace tombolo::kernel {

namespace {

bool has_invariant_counter() noexcept {
#if defined(__x86_64__)
    unsigned a = 0;
    unsigned b = 0;
    unsigned c = 0;
    unsigned d = 0;
    constexpr unsigned power_management = 0x80000007;
    constexpr unsigned invariant_tsc = 1U << 8;
    return __get_cpuid(power_management, &a, &b, &c, &d) != 0 && (d & invariant_tsc) != 0;
#else
    return false;
#endif
}

}  // namespace

const bool processor_counts_steadily = has_invariant_counter();

std::uint64_t steady_nanoseconds() noexcept {
    const auto now = std::chrono::steady_clock::now().time_since_epoch();
    return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(now).count());
}

tick_anchor tick_anchor::now() noexcept {
    // Whoever is interrupted between the two reads is off by a time slice: the closest of a few pairs is taken.
    constexpr int attempts = 5;
    tick_anchor best{};
    std::uint64_t closest = UINT64_MAX;
    for (int i = 0; i < attempts; ++i) {
        const std::uint64_t before = read_ticks();
        const std::uint64_t nanoseconds = steady_nanoseconds();
        const std::uint64_t apart = read_ticks() - before;
        if (apart >= closest) continue;
        closest = apart;
        best = {before + apart / 2, nanoseconds};
    }
    return best;
}

tick_scale::tick_scale(const tick_anchor& origin, const tick_anchor& later) noexcept
    : origin_(origin.ticks), rate_(std::uint64_t{1} << fraction_bits) {
    if (!processor_counts_steadily || later.ticks <= origin.ticks || later.nanoseconds <= origin.nanoseconds) return;
    const product nanoseconds = product{later.nanoseconds - origin.nanoseconds} << fraction_bits;
    rate_ = static_cast<std::uint64_t>(nanoseconds / (later.ticks - origin.ticks));
}

const tick_scale& tick_scale::of_this_process() noexcept {
    static const tick_scale scale = [] {
        constexpr std::uint64_t long_enough = 200'000;
        const tick_anchor begin = tick_anchor::now();
        if (processor_counts_steadily)
            while (steady_nanoseconds() - begin.nanoseconds < long_enough) {}
        return tick_scale(begin, tick_anchor::now());
    }();
    return scale;
}

}  // namespace tombolo::kernel
