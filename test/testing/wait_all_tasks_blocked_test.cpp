#include <tombolo/testing/wait_all_tasks_blocked.hpp>

#include "test/fibers/thrown.hpp"

#include <tombolo/base/unique_fd.hpp>
#include <tombolo/fibers/cancel_scope.hpp>
#include <tombolo/fibers/checkpoint.hpp>
#include <tombolo/fibers/nursery.hpp>
#include <tombolo/fibers/parking_lot.hpp>
#include <tombolo/fibers/statistics.hpp>
#include <tombolo/fibers/timeouts.hpp>
#include <tombolo/fibers/wait_fd.hpp>
#include <tombolo/testing/test.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <vector>

#include <unistd.h>

namespace tombolo::testing {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

TOMBOLO_TEST(wait_all_tasks_blocked, returns_once_every_other_task_has_come_to_rest) {
    lowlevel::parking_lot lot;
    int at_rest = 0;
    open_nursery([&](nursery& n) {
        for (int steps = 1; steps <= 5; ++steps) {
            n.start_soon([&, steps] {
                for (int i = 0; i < 10 * steps; ++i) checkpoint();
                ++at_rest;
                lot.park();
            });
        }
        wait_all_tasks_blocked();
        EXPECT_EQ(at_rest, 5);
        EXPECT_EQ(lot.size(), 5U);
        lot.unpark_all();
    });
}

TOMBOLO_TEST(wait_all_tasks_blocked, returns_when_nobody_else_is_there) {
    wait_all_tasks_blocked();
    wait_all_tasks_blocked(1ns);
}

TOMBOLO_TEST(wait_all_tasks_blocked, counts_tasks_that_wait_for_time_or_for_each_other_as_blocked) {
    open_nursery([&](nursery& n) {
        n.start_soon([] { sleep_for(1s); });
        n.start_soon([] { wait_all_tasks_blocked(1us); });
        wait_all_tasks_blocked();
        EXPECT_EQ(test_clock().elapsed(), 0s);
    });
}

TOMBOLO_TEST(wait_all_tasks_blocked, goes_on_waiting_while_descriptors_have_news) {
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    const unique_fd reader(ends[0]);
    const unique_fd writer(ends[1]);
    ASSERT_EQ(::write(writer.get(), "0123456789", 10), 10);
    int left = 10;
    open_nursery([&](nursery& n) {
        n.start_soon([&] {
            for (; left > 0; --left) {
                lowlevel::wait_readable(reader.get());
                char c = 0;
                EXPECT_EQ(::read(reader.get(), &c, 1), 1);
            }
        });
        wait_all_tasks_blocked();
        EXPECT_EQ(left, 0);
    });
}

TOMBOLO_TEST(wait_all_tasks_blocked, wakes_the_shortest_cushions_first_equal_ones_together_and_the_others_start_over) {
    struct waking {
        std::string who;
        std::size_t others_runnable;
        bool operator==(const waking&) const = default;
    };
    std::vector<waking> order;
    const auto wait = [&](const std::string& who, duration cushion) {
        wait_all_tasks_blocked(cushion);
        order.push_back({who, lowlevel::current_statistics().tasks_runnable});
    };
    open_nursery([&](nursery& n) {
        n.start_soon([&] { wait("long", 3us); });
        n.start_soon([&] { wait("middle", 2us); });
        n.start_soon([&] { wait("middle", 2us); });
        n.start_soon([&] {
            wait("short", 0ns);
            wait("short again", 1us);
        });
    });
    EXPECT_THAT(
        order,
        ElementsAre(
            waking{"short", 0}, waking{"short again", 0}, waking{"middle", 1}, waking{"middle", 0}, waking{"long", 0}));
}

TOMBOLO_TEST(wait_all_tasks_blocked, ends_when_it_is_cancelled) {
    cancel_scope scope;
    open_nursery([&](nursery& n) {
        n.start_soon([&] { scope.cancel("enough"); });
        scope.run([] { wait_all_tasks_blocked(24h); });
    });
    EXPECT_TRUE(scope.cancelled_caught());
    wait_all_tasks_blocked();
}

TOMBOLO_TEST(wait_all_tasks_blocked, refuses_a_negative_cushion_without_waiting) {
    const auto before = lowlevel::current_checkpoint_counts();
    EXPECT_THAT(
        text_of<invalid_duration>([] { wait_all_tasks_blocked(-1ns); }),
        AllOf(HasSubstr("wait_all_tasks_blocked"), HasSubstr("negative"), HasSubstr("give zero")));
    const auto after = lowlevel::current_checkpoint_counts();
    EXPECT_EQ(after.cancel_points, before.cancel_points);
    EXPECT_EQ(after.schedule_points, before.schedule_points);
    wait_all_tasks_blocked();
}

}  // namespace
}  // namespace tombolo::testing
