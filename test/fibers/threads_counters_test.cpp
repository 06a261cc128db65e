#include <tombolo/fibers/checkpoint.hpp>
#include <tombolo/fibers/counters.hpp>
#include <tombolo/fibers/nursery.hpp>
#include <tombolo/fibers/run.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <sstream>
#include <thread>

namespace tombolo::testing {
namespace {

TEST(counters, can_be_read_by_another_thread_while_the_run_goes_on) {
    run_counters counters;
    std::atomic<bool> enough = false;
    std::thread reader([&] {
        counter_statistics last;
        // Until it has seen the figures change under its eyes a few times.
        for (int changes = 0; changes < 20;) {
            const counter_statistics now = counters.statistics();
            EXPECT_GE(now.steps, last.steps);
            EXPECT_GE(now.wake_ups, last.wake_ups);
            EXPECT_GE(now.tasks_spawned, last.tasks_spawned);
            EXPECT_GE(now.busy_time, last.busy_time);
            EXPECT_LE(now.tasks_living, 100U);
            EXPECT_LE(now.tasks_runnable, 1000U);
            changes += now.steps != last.steps && last.steps != 0 ? 1 : 0;
            last = now;
            std::ostringstream text;
            counters.write_prometheus(text, {{"run", "busy"}});
            EXPECT_FALSE(text.str().empty());
            std::this_thread::yield();
        }
        enough = true;
    });
    run(
        [&] {
            while (!enough) {
                open_nursery([](nursery& n) {
                    for (int i = 0; i < 10; ++i) n.start_soon([] { checkpoint(); });
                });
            }
        },
        {.instruments = {&counters}});
    reader.join();
    EXPECT_EQ(counters.statistics().tasks_living, 0U);
}

}  // namespace
}  // namespace tombolo::testing
