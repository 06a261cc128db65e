#include <tombolo/fibers/map_concurrently.hpp>

#include "test/fibers/thrown.hpp"

#include <tombolo/fibers/channel.hpp>
#include <tombolo/fibers/clock.hpp>
#include <tombolo/fibers/timeouts.hpp>
#include <tombolo/testing/test.hpp>
#include <tombolo/testing/wait_all_tasks_blocked.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <list>
#include <memory>
#include <ranges>
#include <sstream>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

namespace tombolo::testing {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

/// How many are inside at a time.
struct crowd {
    void visit(duration time) {
        most = std::max(most, ++now_inside);
        sleep_for(time);
        --now_inside;
    }
    int now_inside = 0;
    int most = 0;
};

TOMBOLO_TEST(map_concurrently, returns_results_in_the_order_of_the_range) {
    const std::vector<int> delays{5, 1, 4, 2, 3};
    const auto results = map_concurrently(delays, 3, [](int delay) {
        sleep_for(delay * 1s);
        return std::to_string(delay);
    });
    static_assert(std::is_same_v<std::remove_const_t<decltype(results)>, std::vector<std::string>>);
    EXPECT_THAT(results, ElementsAre("5", "1", "4", "2", "3"));
}

TOMBOLO_TEST(map_concurrently, runs_as_many_as_the_limit_allows_and_no_more) {
    for (const int limit : {1, 3, 10, 100}) {
        crowd tasks;
        const time_point start = now();
        map_concurrently(std::views::iota(0, 10), limit, [&](int) { tasks.visit(1s); });
        EXPECT_EQ(tasks.most, std::min(limit, 10));
        EXPECT_EQ(now(), start + (10 + limit - 1) / limit * 1s);
    }
    crowd tasks;
    map_concurrently(std::views::iota(0, 50), unbounded, [&](int) { tasks.visit(1s); });
    EXPECT_EQ(tasks.most, 50);
}

TOMBOLO_TEST(map_concurrently, fills_a_place_as_soon_as_it_is_free) {
    const time_point start = now();
    map_concurrently(std::vector{3, 1, 1, 1}, 2, [](int seconds) { sleep_for(seconds * 1s); });
    EXPECT_EQ(now(), start + 3s);
}

TOMBOLO_TEST(map_concurrently, asks_for_an_element_only_when_it_can_start) {
    int asked = 0;
    auto counted = std::views::iota(0, 6) | std::views::transform([&](int i) { return ++asked, i; });
    map_concurrently(counted, 2, [&](int i) {
        EXPECT_LE(asked, i + 3);
        wait_all_tasks_blocked();
        EXPECT_LE(asked, i + 3);
    });
    EXPECT_EQ(asked, 6);
}

TOMBOLO_TEST(map_concurrently, of_nothing_is_nothing) {
    EXPECT_THAT(map_concurrently(std::vector<int>{}, 1, [](int i) { return i; }), IsEmpty());
}

TOMBOLO_TEST(map_concurrently, passes_elements_that_stay_by_reference) {
    std::list<std::string> words{"a", "b"};
    map_concurrently(words, 2, [](std::string& word) {
        checkpoint();
        word += word;
    });
    EXPECT_THAT(words, ElementsAre("aa", "bb"));
    std::vector<std::unique_ptr<int>> pointers;
    for (int i = 0; i < 3; ++i) pointers.push_back(std::make_unique<int>(i));
    EXPECT_THAT(
        map_concurrently(pointers, 2, [](const std::unique_ptr<int>& each) { return *each; }), ElementsAre(0, 1, 2));
}

TOMBOLO_TEST(map_concurrently, gives_elements_that_go_to_their_tasks) {
    std::istringstream words("one two three");
    const auto lengths = map_concurrently(std::views::istream<std::string>(words), 2, [](const std::string& word) {
        checkpoint();  // the stream reads the next word meanwhile
        return word;
    });
    EXPECT_THAT(lengths, ElementsAre("one", "two", "three"));
}

TOMBOLO_TEST(map_concurrently, walks_a_channel) {
    auto [tx, rx] = open_channel<std::unique_ptr<int>>(0);
    std::vector<int> squares;
    open_nursery([&](nursery& n) {
        n.start_soon([own = std::move(tx)]() mutable {
            for (int i = 1; i <= 5; ++i) {
                sleep_for(1s);
                own.send(std::make_unique<int>(i));
            }
        });
        squares = map_concurrently(rx, 2, [](std::unique_ptr<int> each) {
            sleep_for(3s);
            return *each * *each;
        });
    });
    EXPECT_THAT(squares, ElementsAre(1, 4, 9, 16, 25));
}

TOMBOLO_TEST(map_concurrently, cancels_the_others_at_the_first_error_and_asks_for_no_more) {
    int cancelled_ones = 0;
    std::vector<int> started;
    const auto fail_at_two = [&](int i) {
        started.push_back(i);
        if (i == 2) {
            sleep_for(1s);
            throw std::runtime_error("the third");
        }
        try {
            sleep_for(i == 1 ? 1s : 1h);  // one ends well just when the third fails
        } catch (const cancelled&) {
            ++cancelled_ones;
            throw;
        }
    };
    const std::exception_ptr error = thrown_by([&] { map_concurrently(std::views::iota(0), 3, fail_at_two); });
    ASSERT_TRUE(holds<exception_group>(error)) << describe(error);
    EXPECT_THAT(sorted_leaves(error), ElementsAre("the third"));
    EXPECT_EQ(started.size(), 3U) << "the place of the second stays free";
    EXPECT_EQ(cancelled_ones, 1);
}

TOMBOLO_TEST(map_concurrently, throws_errors_of_the_range_and_cancels_what_runs) {
    bool told = false;
    auto failing = std::views::iota(0, 3) | std::views::transform([](int i) {
                       if (i == 2) throw std::runtime_error("no third");
                       return i;
                   });
    const std::exception_ptr error = thrown_by([&] {
        map_concurrently(failing, 3, [&](int) {
            try {
                sleep_forever();
            } catch (const cancelled&) {
                told = true;
                throw;
            }
        });
    });
    EXPECT_THAT(sorted_leaves(error), ElementsAre("no third"));
    EXPECT_TRUE(told);
}

TOMBOLO_TEST(map_concurrently, is_cancelled_as_a_whole) {
    int started = 0;
    EXPECT_FALSE(move_on_after(1s, [&] {
        map_concurrently(std::views::iota(0), 2, [&](int) {
            ++started;
            sleep_for(400ms);
        });
    }));
    EXPECT_EQ(started, 6);
}

TOMBOLO_TEST(map_concurrently, refuses_limits_below_one_before_it_starts_anything) {
    const auto map_with = [](auto limit) {
        map_concurrently(std::vector{1}, limit, [](int) { ADD_FAILURE() << "called"; });
    };
    EXPECT_THAT(
        text_of<invalid_count>([&] { map_with(0); }), AllOf(HasSubstr("map_concurrently"), HasSubstr("at least 1")));
    EXPECT_THAT(text_of<invalid_count>([&] { map_with(-3L); }), AllOf(HasSubstr("map_concurrently"), HasSubstr("-3")));
}

TEST(map_concurrently_outside_a_run, is_refused) {
    EXPECT_THAT(
        text_of<not_in_run>([&] { map_concurrently(std::vector{1}, 1, [](int) {}); }), HasSubstr("open_nursery"));
}

}  // namespace
}  // namespace tombolo::testing
