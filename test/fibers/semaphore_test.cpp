#include <tombolo/fibers/semaphore.hpp>

#include "test/fibers/thrown.hpp"

#include <tombolo/fibers/checkpoint.hpp>
#include <tombolo/fibers/nursery.hpp>
#include <tombolo/fibers/run.hpp>
#include <tombolo/fibers/task_tree.hpp>
#include <tombolo/testing/test.hpp>
#include <tombolo/testing/wait_all_tasks_blocked.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <limits>
#include <optional>
#include <sstream>
#include <thread>
#include <type_traits>
#include <vector>

namespace tombolo::testing {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Y5
static_assert(std::is_constructible_v<semaphore, int> && std::is_constructible_v<semaphore, std::size_t>);
static_assert(!std::is_constructible_v<semaphore, double> && !std::is_constructible_v<semaphore, bool>);

// case 70
TOMBOLO_TEST(semaphore, lets_as_many_in_as_it_has_units) {
    semaphore s{3};
    std::size_t inside = 0;
    std::size_t most = 0;
    open_nursery([&](nursery& n) {
        for (int i = 0; i < 10; ++i)
            n.start_soon([&] {
                s.acquire();
                most = std::max(most, ++inside);
                checkpoint();
                --inside;
                s.release();
            });
    });
    EXPECT_EQ(most, 3U);
    EXPECT_EQ(s.value(), 3U);
}

TOMBOLO_TEST(semaphore, counts_its_units_and_who_waits) {
    semaphore s{1};
    EXPECT_EQ(s.value(), 1U);
    EXPECT_EQ(s.max_value(), std::numeric_limits<std::size_t>::max());
    EXPECT_TRUE(s.try_acquire());
    EXPECT_EQ(s.value(), 0U);
    EXPECT_FALSE(s.try_acquire());
    open_nursery([&](nursery& n) {
        n.start_soon([&] { s.acquire(); });
        wait_all_tasks_blocked();
        EXPECT_EQ(s.statistics().tasks_waiting, 1U);
        s.release();
        EXPECT_EQ(s.statistics().tasks_waiting, 0U);
        EXPECT_EQ(s.statistics().value, 0U) << "the unit went on to who waits";
        EXPECT_FALSE(s.try_acquire());
    });
    s.release();
    s.release();
    EXPECT_EQ(s.value(), 2U) << "without max_value it may grow";
}

TOMBOLO_TEST(semaphore, is_released_by_whatever_task) {
    semaphore s{0};
    open_nursery([&](nursery& n) {
        n.start_soon([&] { s.release(); });
        s.acquire();
    });
    EXPECT_EQ(s.value(), 0U);
}

TOMBOLO_TEST(semaphore, serves_those_who_wait_longest_first) {
    semaphore s{0};
    std::vector<int> served;
    open_nursery([&](nursery& n) {
        for (int i = 0; i < 3; ++i) {
            n.start_soon([&, i] {
                s.acquire();
                served.push_back(i);
            });
            wait_all_tasks_blocked();
        }
        for (int i = 0; i < 3; ++i) {
            s.release();
            wait_all_tasks_blocked();
        }
    });
    EXPECT_THAT(served, ElementsAre(0, 1, 2));
}

// case 70: bounded
TOMBOLO_TEST(semaphore, refuses_to_grow_beyond_its_maximum) {
    semaphore s{1, {.max_value = 2}};
    EXPECT_EQ(s.max_value(), 2U);
    s.release();
    EXPECT_THAT(
        text_of<released_too_often>([&] { s.release(); }), AllOf(HasSubstr("2"), HasSubstr("once for each acquire")));
    EXPECT_EQ(s.value(), 2U);
    s.acquire();
    s.release();
    EXPECT_EQ(s.value(), 2U);
}

TOMBOLO_TEST(semaphore, refuses_values_that_make_no_sense) {
    EXPECT_THAT(text_of<invalid_count>([] { semaphore s{-1}; }), AllOf(HasSubstr("-1"), HasSubstr("0 or more")));
    EXPECT_THAT(
        text_of<invalid_count>([] { semaphore s(3, {.max_value = 2}); }),
        AllOf(HasSubstr("3"), HasSubstr("max_value")));
    const semaphore none{0, {.max_value = 0}};
    EXPECT_EQ(none.max_value(), 0U);
    const semaphore most{std::numeric_limits<unsigned long long>::max()};
    EXPECT_EQ(most.value(), std::numeric_limits<std::size_t>::max());
}

TOMBOLO_TEST(semaphore, names_itself_in_task_trees) {
    semaphore s{0};
    open_nursery([&](nursery& n) {
        n.start_soon([&] { s.acquire(); });
        wait_all_tasks_blocked();
        std::ostringstream tree;
        lowlevel::dump_tasks(tree);
        EXPECT_THAT(tree.str(), HasSubstr("semaphore::acquire"));
        s.release();
    });
}

TOMBOLO_TEST(semaphore, is_left_alone_by_calls_from_a_wrong_thread) {
    semaphore s{0};
    open_nursery([&](nursery& n) {
        n.start_soon([&] { s.acquire(); });
        wait_all_tasks_blocked();
        std::thread([&] {
            EXPECT_THAT(text_of<wrong_thread>([&] { s.release(); }), HasSubstr("run_token"));
            text_of<not_in_run>([&] { s.acquire(); });
            run([&] { text_of<wrong_thread>([&] { s.acquire(); }); });
        }).join();
        EXPECT_EQ(s.statistics().tasks_waiting, 1U);
        EXPECT_EQ(s.value(), 0U);
        s.release();
    });
}

TEST(semaphore_death, is_not_destroyed_while_somebody_waits) {
    const auto destroy = [] {
        run_test_body([] {
            std::optional<semaphore> s(std::in_place, 0);
            open_nursery([&](nursery& n) {
                n.start_soon([&] { s->acquire(); });
                wait_all_tasks_blocked();
                s.reset();
            });
        });
    };
    EXPECT_DEATH(destroy(), "nobody may wait");
}

}  // namespace
}  // namespace tombolo::testing
