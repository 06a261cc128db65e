#include <tombolo/fibers/all_of.hpp>

#include "test/fibers/thrown.hpp"

#include <tombolo/fibers/cancel_scope.hpp>
#include <tombolo/fibers/checkpoint.hpp>
#include <tombolo/fibers/clock.hpp>
#include <tombolo/fibers/task.hpp>
#include <tombolo/fibers/timeouts.hpp>
#include <tombolo/testing/test.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <tuple>
#include <type_traits>
#include <variant>
#include <vector>

namespace tombolo::testing {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

int seven() { return 7; }

TOMBOLO_TEST(all_of, returns_every_result_in_the_order_of_the_functions) {
    const auto [slow, quick, moved] = all_of(
        [] {
            sleep_for(2s);
            return std::string("slow");
        },
        seven, [] { return std::make_unique<int>(3); });
    EXPECT_EQ(slow, "slow");
    EXPECT_EQ(quick, 7);
    EXPECT_EQ(*moved, 3);
}

TOMBOLO_TEST(all_of, runs_them_at_the_same_time) {
    const time_point start = now();
    all_of([] { sleep_for(2s); }, [] { sleep_for(3s); }, [] { sleep_for(1s); });
    EXPECT_EQ(now(), start + 3s);
}

TOMBOLO_TEST(all_of, keeps_a_place_for_void_and_passes_references_on) {
    int target = 1;
    auto results = all_of([] {}, [&]() -> int& { return target; });
    static_assert(std::is_same_v<decltype(results), std::tuple<std::monostate, int&>>);
    std::get<1>(results) = 5;
    EXPECT_EQ(target, 5);
    static_assert(std::is_same_v<decltype(all_of()), std::tuple<>>);
}

TOMBOLO_TEST(all_of, cancels_the_others_at_the_first_error_and_throws_a_group) {
    const time_point start = now();
    const std::exception_ptr error = thrown_by([] {
        all_of(
            [] {
                sleep_for(1s);
                throw std::runtime_error("first");
            },
            [] { sleep_forever(); },
            [] {
                try {
                    sleep_forever();
                } catch (const cancelled&) {
                    throw std::runtime_error("clean-up");
                }
            });
    });
    ASSERT_TRUE(holds<exception_group>(error)) << describe(error);
    EXPECT_THAT(sorted_leaves(error), ElementsAre("clean-up", "first"));
    EXPECT_EQ(now(), start + 1s);
}

TOMBOLO_TEST(all_of, throws_a_group_even_for_one_error) {
    const std::exception_ptr error = thrown_by([] { all_of([] { throw std::runtime_error("alone"); }); });
    ASSERT_TRUE(holds<exception_group>(error)) << describe(error);
    EXPECT_THAT(sorted_leaves(error), ElementsAre("alone"));
}

TOMBOLO_TEST(all_of, is_cancelled_as_a_whole) {
    int ended = 0;
    const auto wait = [&] {
        try {
            sleep_forever();
        } catch (const cancelled&) {
            ++ended;
            throw;
        }
    };
    EXPECT_FALSE(move_on_after(1s, [&] { all_of(wait, wait); }));
    EXPECT_EQ(ended, 2);
}

TOMBOLO_TEST(all_of, takes_a_range_of_functions) {
    std::vector<std::function<int()>> functions;
    for (int i = 0; i < 5; ++i)
        functions.emplace_back([i] {
            sleep_for((5 - i) * 1s);
            return i;
        });
    EXPECT_THAT(all_of(functions), ElementsAre(0, 1, 2, 3, 4));
    functions.clear();
    EXPECT_THAT(all_of(functions), IsEmpty());
    int calls = 0;
    std::vector<std::function<void()>> actions(3, [&] { ++calls; });
    all_of(actions);
    EXPECT_EQ(calls, 3);
}

TOMBOLO_TEST(all_of, refuses_empty_functions_before_it_starts_anything) {
    bool called = false;
    const std::function<void()> empty;
    const auto call = [&] { called = true; };
    EXPECT_THAT(text_of<usage_error>([&] { all_of(call, empty); }), HasSubstr("all_of"));
    std::vector<std::function<void()>> functions{call, empty};
    EXPECT_THAT(text_of<usage_error>([&] { all_of(functions); }), HasSubstr("all_of"));
    checkpoint();
    EXPECT_FALSE(called);
}

struct named_function {
    std::string operator()() const { return lowlevel::current_task().name(); }
};

TOMBOLO_TEST(all_of, names_its_tasks_after_the_functions) {
    const auto [name] = all_of(named_function{});
    EXPECT_THAT(name, HasSubstr("named_function"));
}

}  // namespace
}  // namespace tombolo::testing
