#include <tombolo/fibers/any_of.hpp>

#include "test/fibers/thrown.hpp"

#include <tombolo/fibers/cancel_scope.hpp>
#include <tombolo/fibers/checkpoint.hpp>
#include <tombolo/fibers/clock.hpp>
#include <tombolo/fibers/timeouts.hpp>
#include <tombolo/testing/test.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <variant>
#include <vector>

namespace tombolo::testing {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

auto after(duration delay, int value) {
    return [=] {
        sleep_for(delay);
        return value;
    };
}

auto failing_after(duration delay, const std::string& text) {
    return [=]() -> int {
        sleep_for(delay);
        throw std::runtime_error(text);
    };
}

/// Waits for ever and takes a second to clean up.
struct stubborn_loser {
    int operator()() const {
        try {
            sleep_forever();
        } catch (const cancelled& reason) {
            *told = reason.reason();
            move_on_after(1h, [] { sleep_for(1s); }, {.shield = true});
            throw;
        }
    }
    std::string* told;
};

TOMBOLO_TEST(any_of, returns_the_first_value_and_cancels_and_awaits_the_others) {
    const time_point start = now();
    std::string told;
    EXPECT_EQ(any_of(after(2s, 2), after(1s, 1), stubborn_loser{&told}), 1);
    EXPECT_THAT(told, HasSubstr("any_of"));
    EXPECT_EQ(now(), start + 2s) << "one second until the first value, one for the clean-up";
}

TOMBOLO_TEST(any_of, returns_the_common_type_or_a_variant_with_a_place_for_each) {
    static_assert(std::is_same_v<decltype(any_of(after(1s, 1), after(1s, 1))), int>);
    static_assert(std::is_void_v<decltype(any_of([] {}, [] {}))>);
    const auto mixed = any_of(
        [] {
            sleep_for(3s);
            return std::string("string");
        },
        [] { sleep_for(1s); }, after(2s, 2), after(4s, 4));
    static_assert(
        std::is_same_v<std::remove_const_t<decltype(mixed)>, std::variant<std::string, std::monostate, int, int>>);
    EXPECT_EQ(mixed.index(), 1U);
    const auto last = any_of([]() -> std::string { sleep_forever(); }, after(1s, 9));
    EXPECT_EQ(std::get<1>(last), 9);
    EXPECT_EQ(*any_of([] { return std::make_unique<int>(4); }), 4);
    int target = 0;
    any_of([&]() -> int& { return target; }) = 6;
    EXPECT_EQ(target, 6);
}

TOMBOLO_TEST(any_of, takes_one_value_when_several_come_at_once) {
    const int value = any_of([] { return 1; }, [] { return 2; }, [] { return 3; });
    EXPECT_THAT((std::vector{1, 2, 3}), ::testing::Contains(value));
}

TOMBOLO_TEST(any_of, goes_on_after_a_failure) {
    const time_point start = now();
    EXPECT_EQ(any_of(failing_after(1s, "out"), after(2s, 2), failing_after(3s, "late")), 2);
    EXPECT_EQ(now(), start + 2s);
}

TOMBOLO_TEST(any_of, throws_all_failures_in_order_when_nobody_succeeds) {
    const std::exception_ptr error =
        thrown_by([] { any_of(failing_after(2s, "second"), failing_after(1s, "first"), failing_after(3s, "third")); });
    EXPECT_EQ(shape(error), "any_of: all of them failed[first, second, third]");
    EXPECT_TRUE(holds<exception_group>(error));
}

TOMBOLO_TEST(any_of, lets_pass_at_once_what_is_no_std_exception) {
    const time_point start = now();
    const std::exception_ptr error = thrown_by([] {
        any_of(
            []() -> int {
                sleep_for(1s);
                throw 42;  // NOLINT
            },
            after(2s, 2));
    });
    ASSERT_TRUE(holds<base_exception_group>(error)) << describe(error);
    EXPECT_TRUE(holds<int>(group_in(error).exceptions().front()));
    EXPECT_EQ(now(), start + 1s);
}

TOMBOLO_TEST(any_of, is_cancelled_as_a_whole) {
    const auto timed_out = move_on_after(1s, [] { return any_of(after(2s, 2), failing_after(500ms, "out")); });
    EXPECT_FALSE(timed_out.has_value());
}

TOMBOLO_TEST(any_of, takes_a_range_of_functions) {
    std::vector<std::function<int()>> functions;
    for (int i = 0; i < 4; ++i) functions.emplace_back(after((4 - i) * 1s, i));
    EXPECT_EQ(any_of(functions), 3);
    std::vector<std::function<void()>> actions(2, [] { checkpoint(); });
    any_of(actions);
}

TOMBOLO_TEST(any_of, refuses_to_choose_among_nobody) {
    std::vector<std::function<int()>> none;
    EXPECT_THAT(text_of<invalid_count>([&] { any_of(none); }), HasSubstr("any_of"));
    EXPECT_THAT(text_of<invalid_count>([&] { race(none); }), HasSubstr("race"));
    none.emplace_back();
    EXPECT_THAT(text_of<usage_error>([&] { any_of(none); }), HasSubstr("any_of"));
    EXPECT_THAT(text_of<usage_error>([&] { race(none[0]); }), HasSubstr("race"));
}

TOMBOLO_TEST(race, is_decided_by_the_first_to_end_with_a_value) {
    std::string told;
    EXPECT_EQ(race(after(2s, 2), after(1s, 1), stubborn_loser{&told}), 1);
    EXPECT_THAT(told, HasSubstr("race"));
    std::vector<std::function<int()>> functions{after(2s, 2), after(1s, 1)};
    EXPECT_EQ(race(functions), 1);
}

TOMBOLO_TEST(race, is_decided_by_the_first_to_end_with_an_error) {
    const time_point start = now();
    const std::exception_ptr error = thrown_by([] { race(after(2s, 2), failing_after(1s, "first")); });
    ASSERT_TRUE(holds<exception_group>(error)) << describe(error);
    EXPECT_THAT(sorted_leaves(error), ElementsAre("first"));
    EXPECT_EQ(now(), start + 1s);
}

TOMBOLO_TEST(any_of, forgets_what_a_loser_throws_out_of_a_nursery_of_its_own) {
    const auto lose_loudly = [] {
        open_nursery([](nursery& n) {
            n.start_soon([] {
                try {
                    sleep_forever();
                } catch (const cancelled&) {
                    throw std::domain_error("while ending");
                }
            });
            sleep_forever();
        });
        return 2;
    };
    const auto win = [] {
        sleep_for(1s);
        return 1;
    };
    EXPECT_EQ(any_of(win, lose_loudly), 1);
}

}  // namespace
}  // namespace tombolo::testing
