#pragma once

#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <limits>
#include <numeric>
#include <ratio>
#include <stdexcept>
#include <string>
#include <type_traits>

namespace tombolo {

// The clock that a run's time points belong to. It has no now(): which clock a run reads is an option of the run (a
// test may drive it by hand), so time is read with tombolo::now(), inside a run.
struct run_clock {
    using rep = std::int64_t;
    using period = std::nano;
    using duration = std::chrono::nanoseconds;
    using time_point = std::chrono::time_point<run_clock>;
    static constexpr bool is_steady = true;
};

using duration = std::chrono::nanoseconds;

// time_point::max() is never.
using time_point = run_clock::time_point;

// Thrown when a duration is not a number, or is negative where only a wait makes sense. Give a duration that is zero
// or more; for "never", give no timeout at all or time_point::max() as the deadline.
class invalid_duration : public std::invalid_argument {
public:
    using std::invalid_argument::invalid_argument;
};

namespace kernel {

__extension__ typedef __int128 wide_integer;  // holds any arithmetic duration's count times its period, in practice

[[noreturn, gnu::cold, gnu::noinline]] inline void throw_duration_is_nan(const char* what) {
    throw invalid_duration(std::string(what) + ": the duration is nan, which is not a length of time; give a number");
}

[[noreturn, gnu::cold, gnu::noinline]] inline void throw_duration_is_negative(const char* what, double seconds) {
    char value[48];
    std::snprintf(value, sizeof value, "%.9g", seconds);
    throw invalid_duration(
        std::string(what) + ": a timeout of " + value +
        " s is negative; give zero to time out at once, or a positive duration");
}

// How many nanoseconds one tick of Period lasts, as a fraction in lowest terms.
template <class Period>
struct nanoseconds_per_tick {
    static constexpr wide_integer unreduced = static_cast<wide_integer>(Period::num) * std::nano::den;
    static constexpr std::int64_t divisor =
        std::gcd(static_cast<std::int64_t>(unreduced % Period::den), static_cast<std::int64_t>(Period::den));
    static constexpr wide_integer num = unreduced / divisor;
    static constexpr std::int64_t den = Period::den / divisor;
};

template <class Rep, class Period>
duration floating_to_duration(std::chrono::duration<Rep, Period> d) noexcept {
    using number = std::conditional_t<std::is_same_v<Rep, long double>, long double, double>;
    using scale = nanoseconds_per_tick<Period>;
    const number ns =
        static_cast<number>(d.count()) * static_cast<number>(scale::num) / static_cast<number>(scale::den);
    constexpr number limit = 9223372036854775808.0;  // 2^63, exact in every floating type
    if (ns >= limit) {
        return duration::max();
    }
    if (ns < -limit) {
        return duration::min();
    }
    // What lies within rounding error of a whole nanosecond is that nanosecond, so that 0.1 s is 100 ms. Everything
    // else goes up, so that nothing positive becomes zero.
    const number nearest = std::round(ns);
    const bool whole = std::fabs(ns - nearest) <= 2 * std::numeric_limits<number>::epsilon() * std::fabs(ns);
    const bool vanished = ns == 0 && d.count() > 0;
    const number rounded = vanished ? 1 : whole ? nearest : std::ceil(ns);
    return rounded >= limit ? duration::max() : duration(static_cast<std::int64_t>(rounded));
}

template <class Rep, class Period>
constexpr duration integral_to_duration(std::chrono::duration<Rep, Period> d) noexcept {
    using scale = nanoseconds_per_tick<Period>;
    const auto count = static_cast<wide_integer>(d.count());
    wide_integer ns = 0;
    if (__builtin_mul_overflow(count, scale::num, &ns)) {
        return count < 0 ? duration::min() : duration::max();
    }
    const wide_integer floor_towards_zero = ns / scale::den;
    ns = floor_towards_zero + (ns % scale::den > 0 ? 1 : 0);
    if (ns > std::numeric_limits<std::int64_t>::max()) {
        return duration::max();
    }
    if (ns < std::numeric_limits<std::int64_t>::min()) {
        return duration::min();
    }
    return duration(static_cast<std::int64_t>(ns));
}

}  // namespace kernel

// Any arithmetic duration in the library's own unit: rounded up, so that nothing positive becomes zero; what does not
// fit, infinity included, becomes duration::max() or duration::min(). `what` names the caller in error texts.
//
// Throws: invalid_duration for a NaN.
template <class Rep, class Period>
[[nodiscard]] duration to_duration(std::chrono::duration<Rep, Period> d, const char* what) {
    static_assert(std::is_arithmetic_v<Rep>, "a duration must count with an arithmetic type");
    if constexpr (std::is_floating_point_v<Rep>) {
        if (std::isnan(d.count())) [[unlikely]] {
            kernel::throw_duration_is_nan(what);
        }
        return kernel::floating_to_duration(d);
    } else {
        return kernel::integral_to_duration(d);
    }
}

// As to_duration, for a length of time to wait.
//
// Throws: invalid_duration for a NaN and for anything below zero, however little.
template <class Rep, class Period>
[[nodiscard]] duration to_timeout(std::chrono::duration<Rep, Period> d, const char* what) {
    const duration converted = to_duration(d, what);
    if (d.count() < Rep{}) [[unlikely]] {
        kernel::throw_duration_is_negative(what, std::chrono::duration<double>(d).count());
    }
    return converted;
}

// t + d, where never stays never and what does not fit becomes the nearest time point that does.
[[nodiscard]] constexpr time_point saturating_add(time_point t, duration d) noexcept {
    if (t == time_point::max()) {
        return t;
    }
    std::int64_t sum = 0;
    if (__builtin_add_overflow(t.time_since_epoch().count(), d.count(), &sum)) {
        return d.count() < 0 ? time_point::min() : time_point::max();
    }
    return time_point(duration(sum));
}

// How far `later` is after `earlier`, negative when it is before; as far as can be said when that is too far.
constexpr duration saturating_difference(time_point later, time_point earlier) noexcept {
    std::int64_t difference = 0;
    if (__builtin_sub_overflow(later.time_since_epoch().count(), earlier.time_since_epoch().count(), &difference)) {
        return later < earlier ? duration::min() : duration::max();
    }
    return duration(difference);
}

}  // namespace tombolo
