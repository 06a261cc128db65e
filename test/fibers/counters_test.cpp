#include <tombolo/fibers/counters.hpp>

#include <tombolo/fibers/cancel_scope.hpp>
#include <tombolo/fibers/checkpoint.hpp>
#include <tombolo/fibers/nursery.hpp>
#include <tombolo/fibers/run.hpp>
#include <tombolo/fibers/run_token.hpp>
#include <tombolo/fibers/timeouts.hpp>
#include <tombolo/fibers/wait_fd.hpp>
#include <tombolo/testing/mock_clock.hpp>
#include <tombolo/testing/recording_instrument.hpp>
#include <tombolo/testing/test.hpp>
#include <tombolo/testing/wait_all_tasks_blocked.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <numeric>
#include <string>

#include <unistd.h>

namespace tombolo::testing {
namespace {

using namespace std::chrono_literals;
using lowlevel::add_instrument;
using lowlevel::remove_instrument;

std::uint64_t count_of(const recording_instrument& recorder, const std::string& hook) {
    return static_cast<std::uint64_t>(std::ranges::count(recorder.events(), hook, &recorded_event::hook));
}

std::uint64_t cancels(const counter_statistics& counted, cancel_source source) {
    return counted.scopes_cancelled[static_cast<std::size_t>(source)];
}

/// A program with a bit of everything.
void busy_program() {
    open_nursery([](nursery& n) {
        for (int i = 0; i < 10; ++i) {
            n.start_soon([i] {
                move_on_after(std::chrono::seconds(i), [] { sleep_for(5500ms); });
                checkpoint();
            });
        }
    });
}

TEST(counters, agree_with_what_another_instrument_sees) {
    mock_clock clock{{.autojump_threshold = 0s}};
    recording_instrument recorder;
    run_counters counters;
    run(busy_program, {.clock = &clock, .instruments = {&recorder, &counters}});
    const counter_statistics counted = counters.statistics();
    EXPECT_EQ(counted.runs, 1U);
    EXPECT_EQ(counted.tasks_spawned, count_of(recorder, "task_spawned"));
    EXPECT_EQ(counted.tasks_exited, count_of(recorder, "task_exited"));
    EXPECT_EQ(counted.steps, count_of(recorder, "before_task_step"));
    EXPECT_EQ(counted.wake_ups, count_of(recorder, "task_scheduled"));
    EXPECT_EQ(cancels(counted, cancel_source::deadline), 6U) << "those of 0 to 5 s";
    EXPECT_EQ(cancels(counted, cancel_source::shutdown), 2U);
    EXPECT_EQ(counted.tasks_living, 0U);
    EXPECT_EQ(counted.tasks_runnable, 0U);
    EXPECT_GT(counted.busy_time, 0s);
    EXPECT_GE(counted.busy_time, counted.longest_step);
}

TOMBOLO_TEST(counters, say_how_many_tasks_live_and_are_runnable) {
    run_counters counters;
    add_instrument(&counters);
    const std::uint64_t before = counters.statistics().tasks_living;
    open_nursery([&](nursery& n) {
        for (int i = 0; i < 4; ++i) n.start_soon(sleep_forever);
        EXPECT_EQ(counters.statistics().tasks_living, before + 4);
        EXPECT_GE(counters.statistics().tasks_runnable, 4U);
        wait_all_tasks_blocked();
        EXPECT_LE(counters.statistics().tasks_runnable, 1U) << "nobody but this one";
        n.cancel_scope().cancel();
        EXPECT_GE(counters.statistics().tasks_runnable, 4U);
    });
    EXPECT_EQ(counters.statistics().tasks_living, before);
    remove_instrument(counters);
}

TEST(counters, sort_steps_by_their_length) {
    run_counters counters;
    const auto spin = [](std::chrono::nanoseconds length) {
        const auto end = std::chrono::steady_clock::now() + length;
        while (std::chrono::steady_clock::now() < end) {}
    };
    run(
        [&] {
            checkpoint();
            spin(300us);
            checkpoint();
        },
        {.instruments = {&counters}});
    const counter_statistics counted = counters.statistics();
    EXPECT_GT(counted.longest_step, 290us) << "the rate of the clock is known well enough";
    EXPECT_GT(counted.busy_time, 290us);
    const auto& buckets = counted.steps_by_length;
    EXPECT_EQ(std::accumulate(buckets.begin(), buckets.end(), std::uint64_t{0}), counted.steps);
    // 300 us lies in the bucket from 2^18 ns up, or in a later one where the machine was busy.
    EXPECT_GE(std::accumulate(buckets.begin() + 12, buckets.end(), std::uint64_t{0}), 1U);
    const auto longest = std::find_if(buckets.rbegin(), buckets.rend(), [](std::uint64_t n) { return n > 0; });
    const auto index = buckets.rend() - longest - 1;
    EXPECT_LE(counted.longest_step.count(), std::int64_t{128} << index);
    EXPECT_GT(counted.longest_step.count(), index == 0 ? -1 : std::int64_t{64} << index);
}

TEST(counters, add_up_over_runs_and_gauges_do_not) {
    run_counters counters;
    for (std::uint64_t i = 1; i <= 3; ++i) {
        mock_clock clock{{.autojump_threshold = 0s}};
        run(busy_program, {.clock = &clock, .instruments = {&counters}});
        EXPECT_EQ(counters.statistics().runs, i);
        EXPECT_EQ(counters.statistics().tasks_spawned, 12 * i);
        EXPECT_EQ(counters.statistics().tasks_exited, 13 * i);
        EXPECT_EQ(counters.statistics().tasks_living, 0U);
        EXPECT_EQ(counters.statistics().tasks_runnable, 0U);
    }
}

TEST(counters, count_the_waits_for_events) {
    std::array<int, 2> ends{};
    ASSERT_EQ(::pipe(ends.data()), 0);
    ASSERT_EQ(::write(ends[1], "x", 1), 1);
    run_counters counters;
    run([&] { lowlevel::wait_readable(ends[0]); }, {.instruments = {&counters}});
    for (const int end : ends) ::close(end);
    EXPECT_EQ(counters.statistics().io_waits, 1U);
    EXPECT_GT(counters.statistics().io_wait_time, 0s);
}

TEST(counters, sample_stacks_and_posts) {
    std::array<int, 2> ends{};
    ASSERT_EQ(::pipe(ends.data()), 0);
    ASSERT_EQ(::write(ends[1], "x", 1), 1);
    run_counters counters;
    run(
        [&] {
            open_nursery([&](nursery& n) {
                for (int i = 0; i < 6; ++i) n.start_soon(sleep_forever);
                n.start_soon([&] {
                    lowlevel::wait_readable(ends[0]);
                    n.cancel_scope().cancel();
                    EXPECT_GE(counters.statistics().stacks_in_use, 9U);
                });
            });
        },
        {.instruments = {&counters}});
    for (const int end : ends) ::close(end);
    EXPECT_GE(counters.statistics().stacks_in_use_peak, 9U);
    EXPECT_EQ(counters.statistics().run_sync_soon_queue_size, 0U);
}

}  // namespace
}  // namespace tombolo::testing
