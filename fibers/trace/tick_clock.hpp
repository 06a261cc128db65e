#pragma once

#include <cstdint>

#if defined(__x86_64__)
    #include <x86intrin.h>
#endif

namespace tombolo::kernel {

/// True when the processor's counter runs at the same rate for ever and on every core. Otherwise a tick is a nanosecond of
/// the steady clock.
extern const bool processor_counts_steadily;

std::uint64_t steady_nanoseconds() noexcept;

/// A time in ticks: monotonic, and cheaper than the system's clock where the processor allows it.
inline std::uint64_t read_ticks() noexcept {
#if defined(__x86_64__)
    if (processor_counts_steadily) [[likely]]
        return __rdtsc();
#endif
    return steady_nanoseconds();
}

/// One moment on both clocks.
struct tick_anchor {
    std::uint64_t ticks;
    std::uint64_t nanoseconds;

    static tick_anchor now() noexcept;
};

/// Turns ticks into nanoseconds since an anchor. Monotonic: what began first does so in nanoseconds.
class tick_scale {
public:
    /// The rate is that between the two; `later` may be as near as it likes to `origin`.
    tick_scale(const tick_anchor& origin, const tick_anchor& later) noexcept;

    /// For figures that are converted as they come in: the rate is measured once for the process, which takes 0.2 ms.
    static const tick_scale& of_this_process() noexcept;

    /// Zero for what lies before the origin.
    std::uint64_t since_origin(std::uint64_t at) const noexcept { return at > origin_ ? length(at - origin_) : 0; }
    std::uint64_t length(std::uint64_t ticks) const noexcept {
        return static_cast<std::uint64_t>((product{ticks} * rate_) >> fraction_bits);
    }

private:
    __extension__ typedef unsigned __int128 product;
    static constexpr unsigned fraction_bits = 32;

    std::uint64_t origin_;
    std::uint64_t rate_;  ///< nanoseconds in 2^32 ticks
};

}  // namespace tombolo::kernel
