#include <thread>

#include "test/fibers/hand_driven_watchdog.hpp"

#include <tombolo/fibers/checkpoint.hpp>
#include <tombolo/fibers/errors.hpp>
#include <tombolo/fibers/nursery.hpp>
#include <tombolo/fibers/run.hpp>
#include <tombolo/fibers/timeouts.hpp>
#include <tombolo/fibers/watchdog.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <future>
#include <string>
#include <vector>

namespace tombolo::testing {
namespace {

using ::testing::HasSubstr;
using kind = watchdog_report::kind;
using activity = watchdog_report::activity;

/// Long enough for any machine; the tests end as soon as what they wait for has happened.
constexpr auto patience = 60s;

// In real time: the run first idles so long that the watchdog's thread falls asleep, then blocks until it is reported.
TEST(watchdog, reports_a_blocked_run_from_a_thread_of_its_own) {
    std::promise<watchdog_report> told;
    std::promise<std::thread::id> teller;
    std::vector<kind> kinds;
    std::string stop_error;
    watchdog* itself = nullptr;
    watchdog dog({.threshold = 4ms, .sink = [&](const watchdog_report& report) {
                      kinds.push_back(report.what);
                      if (kinds.size() != 1) return;
                      try {
                          itself->stop();
                      } catch (const usage_error& error) {
                          stop_error = error.what();
                      }
                      teller.set_value(std::this_thread::get_id());
                      told.set_value(report);
                  }});
    itself = &dog;
    run(
        [&] {
            sleep_for(40ms);
            in_named_task("stuck", [&] {
                auto result = told.get_future();
                ASSERT_EQ(result.wait_for(patience), std::future_status::ready);
                const watchdog_report report = result.get();
                EXPECT_EQ(report.task, "stuck");
                EXPECT_GE(report.lasted, 4ms);
                EXPECT_EQ(report.doing(), activity::blocked);
            });
        },
        {.instruments = {&dog}});
    ASSERT_GE(kinds.size(), 2U);
    EXPECT_EQ(kinds.front(), kind::stuck);
    EXPECT_EQ(kinds.back(), kind::ended);
    EXPECT_NE(teller.get_future().get(), std::this_thread::get_id());
    EXPECT_THAT(stop_error, HasSubstr("from another thread"));
}

TEST(watchdog, starts_and_stops_with_each_of_many_runs) {
    int steps = 0;
    watchdog dog({.threshold = 1ms, .sink = [](const watchdog_report&) {}});
    for (int i = 0; i < 50; ++i) {
        run(
            [&] {
                open_nursery([&](nursery& n) {
                    for (int k = 0; k < 5; ++k)
                        n.start_soon([&] {
                            for (int j = 0; j < 20; ++j) {
                                ++steps;
                                checkpoint();
                            }
                        });
                });
            },
            {.instruments = {&dog}});
    }
    EXPECT_EQ(steps, 50 * 5 * 20);
}

TEST(watchdog, can_be_looked_at_from_several_threads_while_the_run_moves) {
    std::atomic<std::int64_t> looks{0};
    std::atomic<int> strange_names{0};
    // Time flies: every look that finds the same step again reports it.
    watchdog dog(
        {.threshold = 1ms,
         .sink =
             [&](const watchdog_report& report) {
                 const std::string& name = report.task;
                 if (name != "aaaaaaaaaaaaaaaa" && name != "b" && name != "main" && name.front() != '<')
                     ++strange_names;
             },
         .include_tree = false,
         .own_thread = false,
         .wall_time = [&] { return std::chrono::hours(looks.load()); },
         .cpu_time = [] { return 0s; }});
    std::atomic<bool> done = false;
    std::vector<std::jthread> lookers;
    for (int i = 0; i < 2; ++i)
        lookers.emplace_back([&] {
            while (!done) {
                dog.look();
                ++looks;
            }
        });
    const auto move = [&] {
        while (looks < 2000) checkpoint();
    };
    run(
        [&] {
            open_nursery([&](nursery& n) {
                for (const char* name : {"aaaaaaaaaaaaaaaa", "b"}) n.start_soon(move, {.name = name});
            });
        },
        {.instruments = {&dog}});
    done = true;
    lookers.clear();
    EXPECT_EQ(strange_names, 0);
}

}  // namespace
}  // namespace tombolo::testing
