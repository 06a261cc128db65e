#include <tombolo/testing/mock_clock.hpp>

#include "test/fibers/thrown.hpp"

#include <tombolo/fibers/cancel_scope.hpp>
#include <tombolo/fibers/checkpoint.hpp>
#include <tombolo/fibers/nursery.hpp>
#include <tombolo/fibers/run.hpp>
#include <tombolo/fibers/run_token.hpp>
#include <tombolo/fibers/timeouts.hpp>
#include <tombolo/fibers/wait_fd.hpp>
#include <tombolo/testing/test.hpp>
#include <tombolo/testing/wait_all_tasks_blocked.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <limits>
#include <thread>
#include <vector>

#include <unistd.h>

namespace tombolo::testing {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr double nan = std::numeric_limits<double>::quiet_NaN();
constexpr double infinite = std::numeric_limits<double>::infinity();

time_point at(duration since_start) { return time_point(since_start); }

TEST(mock_clock, starts_at_zero_and_stands_still) {
    const mock_clock clock;
    EXPECT_EQ(clock.now(), at(0s));
    EXPECT_EQ(clock.elapsed(), 0s);
    EXPECT_EQ(clock.rate(), 0.0);
    EXPECT_FALSE(clock.autojump());
    EXPECT_EQ(clock.autojump_threshold(), duration::max());
    EXPECT_EQ(clock.now(), at(0s));
}

TEST(mock_clock, jumps_forward_and_only_forward) {
    mock_clock clock;
    clock.jump(5s);
    clock.jump(0s);
    clock.jump(std::chrono::duration<double>(0.25));
    EXPECT_EQ(clock.elapsed(), 5250ms);
    EXPECT_THAT(
        text_of<invalid_duration>([&] { clock.jump(-1ns); }),
        AllOf(HasSubstr("mock_clock::jump"), HasSubstr("positive")));
    EXPECT_THAT(
        text_of<invalid_duration>([&] { clock.jump(std::chrono::duration<double>(nan)); }), HasSubstr("give a number"));
    EXPECT_EQ(clock.elapsed(), 5250ms);
}

TEST(mock_clock, stops_at_the_end_of_time_when_it_jumps_too_far) {
    mock_clock clock;
    clock.jump(1h);
    clock.jump(std::chrono::duration<double>(infinite));
    EXPECT_EQ(clock.now(), time_point::max());
}

TEST(mock_clock, refuses_a_rate_that_is_no_speed_and_keeps_the_old_one) {
    mock_clock clock;
    clock.rate(2.5);
    for (const double bad : {-1.0, -0.001, nan, infinite}) {
        EXPECT_THAT(
            text_of<invalid_duration>([&] { clock.rate(bad); }), AllOf(HasSubstr("rate"), HasSubstr("give zero")));
        EXPECT_THAT(text_of<invalid_duration>([&] { mock_clock other{{.rate = bad}}; }), HasSubstr("give zero"));
    }
    EXPECT_EQ(clock.rate(), 2.5);
}

TEST(mock_clock, refuses_a_negative_threshold_and_keeps_the_old_one) {
    mock_clock clock{{.autojump_threshold = 3s}};
    EXPECT_THAT(text_of<invalid_duration>([&] { clock.autojump(-1ns); }), HasSubstr("autojump threshold"));
    EXPECT_THAT(
        text_of<invalid_duration>([] { mock_clock other{{.autojump_threshold = -1s}}; }), HasSubstr("negative"));
    EXPECT_EQ(clock.autojump(), 3s);
    clock.autojump(std::nullopt);
    EXPECT_EQ(clock.autojump_threshold(), duration::max());
}

TEST(mock_clock, says_how_long_a_deadline_is_away_in_real_time) {
    mock_clock clock;
    clock.jump(10s);
    EXPECT_EQ(clock.time_until(at(10s)), 0s) << "now";
    EXPECT_EQ(clock.time_until(at(9s)), 0s) << "passed";
    EXPECT_EQ(clock.time_until(at(11s)), duration::max()) << "time stands still";
    clock.rate(1000.0);
    EXPECT_EQ(clock.time_until(time_point::max()), duration::max()) << "never";
    const auto real = std::chrono::steady_clock::now();
    const duration away = clock.time_until(clock.now() + 1000h);
    const duration spent = std::chrono::steady_clock::now() - real;
    EXPECT_LE(away, 1h);
    EXPECT_GE(away, 1h - spent);
}

TEST(mock_clock, does_not_leap_when_its_rate_changes) {
    mock_clock clock;
    clock.jump(1h);
    const auto real_start = std::chrono::steady_clock::now();
    const time_point start = clock.now();
    time_point last = start;
    for (const double rate : {3.0, 0.0, 1.0, 0.5, 3.0, 0.0}) {
        clock.rate(rate);
        EXPECT_GE(clock.now(), last);
        last = clock.now();
    }
    const duration real = std::chrono::steady_clock::now() - real_start;
    EXPECT_LE(last - start, 3 * real + 6ns) << "no more than the highest rate could account for, but for rounding up";
    EXPECT_EQ(clock.now(), last) << "it stands still again";
}

TOMBOLO_TEST(mock_clock, jumps_to_each_deadline_in_turn_when_everybody_waits) {
    std::vector<duration> woken;
    open_nursery([&](nursery& n) {
        for (const duration length : {duration(3h), duration(1h), duration(20min)}) {
            n.start_soon([&, length] {
                sleep_for(length);
                EXPECT_EQ(test_clock().elapsed(), length);
                woken.push_back(length);
            });
        }
    });
    EXPECT_THAT(woken, ElementsAre(20min, 1h, 3h));
}

TOMBOLO_TEST(mock_clock, does_not_jump_while_a_task_can_run) {
    bool slept = false;
    open_nursery([&](nursery& n) {
        n.start_soon([&] {
            sleep_for(1ns);
            slept = true;
        });
        for (int i = 0; i < 100; ++i) {
            checkpoint();
            EXPECT_EQ(test_clock().elapsed(), 0s);
            EXPECT_FALSE(slept);
        }
    });
    EXPECT_EQ(test_clock().elapsed(), 1ns);
}

TOMBOLO_TEST(mock_clock, does_not_jump_while_a_descriptor_is_ready) {
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    ASSERT_EQ(::write(ends[1], "x", 1), 1);
    EXPECT_TRUE(move_on_after(1s, [&] { lowlevel::wait_readable(ends[0]); }));
    EXPECT_EQ(test_clock().elapsed(), 0s);
    ::close(ends[0]);
    ::close(ends[1]);
}

TOMBOLO_TEST(mock_clock, does_not_jump_for_a_deadline_that_has_passed_already) {
    cancel_scope scope{{.deadline = now() + 1s}};
    scope.run([&] {
        test_clock().jump(1h);
        checkpoint();
        ADD_FAILURE() << "the deadline has passed";
    });
    EXPECT_TRUE(scope.cancelled_caught());
    EXPECT_EQ(test_clock().elapsed(), 1h);
}

TOMBOLO_TEST(mock_clock, a_jump_past_a_deadline_takes_effect_at_the_next_checkpoint_and_not_before) {
    cancel_scope scope{{.relative_deadline = 5s}};
    EXPECT_FALSE(scope.run([&] {
        test_clock().jump(10s);
        lowlevel::checkpoint_if_cancelled();
        checkpoint();
        ADD_FAILURE() << "the checkpoint lets the cancellation pass";
    }));
    EXPECT_TRUE(scope.cancelled_caught());
}

// C-16
TOMBOLO_TEST(mock_clock, a_task_that_waits_for_idleness_comes_before_the_jump) {
    open_nursery([&](nursery& n) {
        n.start_soon([] { sleep_for(1h); });
        for (int i = 0; i < 3; ++i) {
            wait_all_tasks_blocked();
            EXPECT_EQ(test_clock().elapsed(), 0s);
        }
        wait_all_tasks_blocked(1us);
        EXPECT_EQ(test_clock().elapsed(), 0s);
    });
    EXPECT_EQ(test_clock().elapsed(), 1h);
}

TOMBOLO_TEST(mock_clock, one_that_no_run_uses_moves_nobody) {
    mock_clock other{{.autojump_threshold = 0s}};
    test_clock().autojump(std::nullopt);
    open_nursery([&](nursery& n) {
        bool slept = false;
        n.start_soon([&] {
            sleep_for(1s);
            slept = true;
        });
        other.jump(1h);
        other.rate(1e9);
        other.autojump(0s);
        for (int i = 0; i < 5; ++i) wait_all_tasks_blocked();
        EXPECT_FALSE(slept);
        EXPECT_EQ(test_clock().elapsed(), 0s);
        test_clock().jump(1s);
        wait_all_tasks_blocked();
        EXPECT_TRUE(slept);
    });
}

TOMBOLO_TEST(mock_clock, a_threshold_given_later_works_at_once) {
    test_clock().autojump(std::nullopt);
    open_nursery([&](nursery& n) {
        n.start_soon([] { sleep_for(1h); });
        wait_all_tasks_blocked();
        test_clock().autojump(0s);
    });
    EXPECT_EQ(test_clock().elapsed(), 1h);
}

TEST(mock_clock, a_threshold_given_by_another_threads_job_reaches_a_run_that_sleeps) {
    mock_clock clock;
    std::thread other;
    run(
        [&] {
            other = std::thread(
                [&, token = lowlevel::current_run_token()] { token.run_sync_soon([&] { clock.autojump(0s); }); });
            sleep_for(1h);
        },
        {.clock = &clock});
    other.join();
    EXPECT_EQ(clock.elapsed(), 1h);
}

TEST(mock_clock, serves_one_run_after_the_other_and_keeps_its_time) {
    mock_clock clock{{.autojump_threshold = 0s}};
    run([] { sleep_for(1h); }, {.clock = &clock});
    run(
        [&] {
            EXPECT_EQ(now(), at(1h));
            sleep_for(1h);
        },
        {.clock = &clock});
    EXPECT_EQ(clock.elapsed(), 2h);
}

TEST(mock_clock, with_a_rate_lets_a_run_wait_for_real_only_as_long_as_it_takes) {
    mock_clock clock{{.rate = 1e9}};
    run([] { sleep_for(24h); }, {.clock = &clock});
    EXPECT_GE(clock.elapsed(), 24h);
}

}  // namespace
}  // namespace tombolo::testing
