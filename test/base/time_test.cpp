#include <tombolo/base/time.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <limits>
#include <ratio>
#include <stdexcept>
#include <string>
#include <type_traits>

namespace {

using namespace std::chrono_literals;
using tombolo::duration;
using tombolo::invalid_duration;
using tombolo::saturating_add;
using tombolo::time_point;
using tombolo::to_duration;
using tombolo::to_timeout;

using seconds_double = std::chrono::duration<double>;
using seconds_float = std::chrono::duration<float>;
using seconds_long_double = std::chrono::duration<long double>;

static_assert(tombolo::run_clock::is_steady);
static_assert(std::is_same_v<time_point::duration, duration>);
static_assert(std::is_base_of_v<std::invalid_argument, invalid_duration>);

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double nan = std::numeric_limits<double>::quiet_NaN();

template <class Function>
std::string message_of(Function function) {
    try {
        function();
    } catch (const invalid_duration& error) {
        return error.what();
    }
    return "nothing was thrown";
}

TEST(to_duration, converts_integral_durations_exactly) {
    EXPECT_EQ(to_duration(5s, "test"), duration(5'000'000'000));
    EXPECT_EQ(to_duration(-5ms, "test"), duration(-5'000'000));
    EXPECT_EQ(to_duration(7ns, "test"), duration(7));
    EXPECT_EQ(to_duration(2h, "test"), duration(7'200'000'000'000));
    EXPECT_EQ(to_duration(std::chrono::duration<unsigned char>(200), "test"), 200s);
    EXPECT_EQ(to_duration(std::chrono::years(1), "test"), std::chrono::seconds(31'556'952));
    EXPECT_EQ(to_duration(std::chrono::duration<int, std::ratio<1, 3>>(3), "test"), 1s);
}

TEST(to_duration, keeps_the_limits_of_its_own_unit) {
    EXPECT_EQ(to_duration(duration::max(), "test"), duration::max());
    EXPECT_EQ(to_duration(duration::min(), "test"), duration::min());
}

TEST(to_duration, saturates_integral_durations_that_do_not_fit) {
    EXPECT_EQ(to_duration(std::chrono::seconds::max(), "test"), duration::max());
    EXPECT_EQ(to_duration(std::chrono::hours::min(), "test"), duration::min());
    EXPECT_EQ(to_duration(std::chrono::years(300), "test"), duration::max());
    EXPECT_EQ(to_duration(std::chrono::duration<std::uint64_t, std::nano>(UINT64_MAX), "test"), duration::max());
    using ages = std::chrono::duration<std::int64_t, std::ratio<INT64_MAX>>;
    EXPECT_EQ(to_duration(ages(INT64_MAX), "test"), duration::max());
    EXPECT_EQ(to_duration(ages(INT64_MIN), "test"), duration::min());
    EXPECT_EQ(to_duration(ages(0), "test"), 0ns);
}

TEST(to_duration, rounds_up_what_is_finer_than_its_unit) {
    using picoseconds = std::chrono::duration<int, std::pico>;
    EXPECT_EQ(to_duration(picoseconds(1), "test"), 1ns);
    EXPECT_EQ(to_duration(picoseconds(1000), "test"), 1ns);
    EXPECT_EQ(to_duration(picoseconds(1001), "test"), 2ns);
    EXPECT_EQ(to_duration(picoseconds(-1500), "test"), -1ns);
}

TEST(to_duration, takes_decimal_fractions_for_what_they_mean) {
    for (int milliseconds = 1; milliseconds < 100'000; ++milliseconds) {
        ASSERT_EQ(to_duration(seconds_double(milliseconds / 1000.0), "test"), std::chrono::milliseconds(milliseconds));
    }
    EXPECT_EQ(to_duration(seconds_double(0.1), "test"), 100ms);
    EXPECT_EQ(to_duration(1.5h, "test"), 90min);
    EXPECT_EQ(to_duration(seconds_float(0.25F), "test"), 250ms);
    EXPECT_EQ(to_duration(seconds_long_double(-2.5L), "test"), -2500ms);
}

TEST(to_duration, never_makes_zero_of_a_positive_number) {
    EXPECT_EQ(to_duration(seconds_double(1e-12), "test"), 1ns);
    EXPECT_EQ(to_duration(seconds_double(std::numeric_limits<double>::denorm_min()), "test"), 1ns);
    using picoseconds = std::chrono::duration<double, std::pico>;
    EXPECT_EQ(to_duration(picoseconds(std::numeric_limits<double>::denorm_min()), "test"), 1ns);
    EXPECT_EQ(to_duration(seconds_double(1.2e-9), "test"), 2ns);
    EXPECT_EQ(to_duration(seconds_double(0.0), "test"), 0ns);
    EXPECT_EQ(to_duration(seconds_double(-0.0), "test"), 0ns);
}

TEST(to_duration, saturates_floating_durations_that_do_not_fit) {
    EXPECT_EQ(to_duration(seconds_double(infinity), "test"), duration::max());
    EXPECT_EQ(to_duration(seconds_double(-infinity), "test"), duration::min());
    EXPECT_EQ(to_duration(seconds_double(1e300), "test"), duration::max());
    EXPECT_EQ(to_duration(seconds_double(-1e300), "test"), duration::min());
    EXPECT_EQ(to_duration(std::chrono::duration<double, std::nano>(0x1p63), "test"), duration::max());
    EXPECT_EQ(to_duration(std::chrono::duration<double, std::nano>(-0x1p63), "test"), duration::min());
    EXPECT_EQ(to_duration(seconds_float(std::numeric_limits<float>::max()), "test"), duration::max());
}

TEST(to_duration, refuses_nan_naming_the_caller_and_the_value) {
    const std::string text = message_of([] { (void)to_duration(seconds_double(nan), "sleep_for"); });
    EXPECT_NE(text.find("sleep_for"), std::string::npos) << text;
    EXPECT_NE(text.find("nan"), std::string::npos) << text;
    EXPECT_THROW((void)to_duration(seconds_float(std::numeric_limits<float>::quiet_NaN()), "test"), invalid_duration);
}

TEST(to_timeout, converts_as_to_duration_does) {
    EXPECT_EQ(to_timeout(2s, "test"), 2s);
    EXPECT_EQ(to_timeout(0s, "test"), 0s);
    EXPECT_EQ(to_timeout(seconds_double(-0.0), "test"), 0s);
    EXPECT_EQ(to_timeout(seconds_double(infinity), "test"), duration::max());
    EXPECT_EQ(to_timeout(std::chrono::duration<unsigned>(3), "test"), 3s);
}

TEST(to_timeout, refuses_anything_below_zero_saying_what_to_do) {
    EXPECT_THROW((void)to_timeout(-1ns, "test"), invalid_duration);
    EXPECT_THROW((void)to_timeout(seconds_double(-1e-15), "test"), invalid_duration);
    EXPECT_THROW((void)to_timeout(seconds_double(-infinity), "test"), invalid_duration);
    EXPECT_THROW((void)to_timeout(seconds_double(nan), "test"), invalid_duration);
    const std::string text = message_of([] { (void)to_timeout(-1500ms, "move_on_after"); });
    EXPECT_EQ(
        text, "move_on_after: a timeout of -1.5 s is negative; give zero to time out at once, or a positive duration");
}

TEST(saturating_add, adds) {
    EXPECT_EQ(saturating_add(time_point(5s), 2s), time_point(7s));
    EXPECT_EQ(saturating_add(time_point(5s), -7s), time_point(-2s));
    static_assert(saturating_add(time_point(1ns), duration(1)) == time_point(2ns));
}

TEST(saturating_add, leaves_never_alone) {
    EXPECT_EQ(saturating_add(time_point::max(), -5s), time_point::max());
    EXPECT_EQ(saturating_add(time_point::max(), duration::min()), time_point::max());
    EXPECT_EQ(saturating_add(time_point::max(), 5s), time_point::max());
}

TEST(saturating_add, stops_at_the_limits) {
    EXPECT_EQ(saturating_add(time_point(1ns), duration::max()), time_point::max());
    EXPECT_EQ(saturating_add(time_point(0ns), duration::max()), time_point::max());
    EXPECT_EQ(saturating_add(time_point(-1ns), duration::min()), time_point::min());
}

}  // namespace
