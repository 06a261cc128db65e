#include "test/fibers/abort_table.hpp"

#include <tombolo/base/scope_exit.hpp>
#include <tombolo/fibers/nursery.hpp>
#include <tombolo/fibers/timeouts.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <stdexcept>
#include <vector>

// The rows of the abort table in which a task waits for its children.

namespace tombolo::testing {

using namespace std::chrono_literals;

std::vector<operation> nursery_operations() {
    return {
        {"nursery_exit_with_nothing_to_wait_for", false,
         [](attempt& make) { EXPECT_TRUE(make([] { open_nursery([](nursery&) {}); })); }},
        {"nursery_exit_with_a_sleeping_child", true,
         [](attempt& make) {
             bool child_ended = false;
             const bool completed = make([&] {
                 open_nursery([&](nursery& n) {
                     n.start_soon([&] {
                         const scope_exit note([&] { child_ended = true; });
                         sleep_for(1h);
                     });
                 });
             });
             EXPECT_TRUE(child_ended);
             EXPECT_EQ(completed, now().time_since_epoch() == 1h);
             expect_no_waits();
         }},
        {"nursery_exit_with_a_child_that_goes_on", false,
         [](attempt& make) {
             bool child_ended = false;
             const auto go_on = [&] {
                 move_on_after(2h, [] { sleep_for(1h); }, {.shield = true});
                 child_ended = true;
             };
             EXPECT_TRUE(make([&] { open_nursery([&](nursery& n) { n.start_soon(go_on); }); }));
             EXPECT_TRUE(child_ended);
         }},
        {"nursery_exit_with_nested_nurseries", true,
         [](attempt& make) {
             int ended = 0;
             make([&] {
                 open_nursery([&](nursery& outer) {
                     for (int i = 0; i < 2; ++i) {
                         outer.start_soon([&, i] {
                             open_nursery([&](nursery& inner) {
                                 const scope_exit note([&] { ++ended; });
                                 inner.start_soon([i] { sleep_for(i * 1h); });
                                 checkpoint();
                             });
                         });
                     }
                 });
             });
             EXPECT_EQ(ended, 2);
             expect_no_waits();
         }},
        {"nursery_start", true,
         [](attempt& make) {
             int value = 0;
             bool child_finished = false;
             open_nursery([&](nursery& n) {
                 const auto child = [&](task_status<int>& status) {
                     sleep_for(1s);
                     sleep_for(1s);
                     status.started(7);
                     sleep_for(1s);
                     child_finished = true;
                 };
                 const bool completed = make([&] { value = n.start<int>(child); });
                 EXPECT_EQ(completed, value == 7);
                 EXPECT_EQ(n.child_tasks().size(), completed ? 1U : 0U) << "a started child is the nursery's own";
             });
             EXPECT_EQ(child_finished, value == 7) << "cancelling start() does not concern a child that has started";
             expect_no_waits();
         }},
        {"nursery_start_of_a_child_that_fails", true,
         [](attempt& make) {
             open_nursery([&](nursery& n) {
                 bool failed = false;
                 const bool completed = make([&] {
                     const auto child = [](task_status<>&) {
                         sleep_for(1s);
                         throw std::runtime_error("cannot start");
                     };
                     expect_error<std::runtime_error>([&] { n.start(child); });
                     failed = true;
                 });
                 EXPECT_EQ(completed, failed);
                 EXPECT_TRUE(n.child_tasks().empty());
                 EXPECT_FALSE(n.cancel_scope().cancel_called());
             });
         }},
    };
}

}  // namespace tombolo::testing
