#include "test/fibers/toy_scheduler.hpp"

#include <tombolo/fibers/cancel_scope.hpp>
#include <tombolo/fibers/checkpoint.hpp>
#include <tombolo/fibers/detach.hpp>
#include <tombolo/fibers/errors.hpp>
#include <tombolo/fibers/exception_group.hpp>
#include <tombolo/fibers/nursery.hpp>
#include <tombolo/fibers/park.hpp>
#include <tombolo/fibers/run.hpp>
#include <tombolo/fibers/task_status.hpp>
#include <tombolo/fibers/timeouts.hpp>
#include <tombolo/testing/test.hpp>
#include <tombolo/testing/wait_all_tasks_blocked.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <optional>
#include <stdexcept>
#include <thread>

// What goes wrong abroad.

namespace tombolo::testing {
namespace {

using namespace std::chrono_literals;
using lowlevel::permanently_detach;
using lowlevel::reattach;
using lowlevel::suspend_detached;
using lowlevel::temporarily_detach;
using ::testing::HasSubstr;

void ignore_cancel(lowlevel::raise_cancel) {}

TOMBOLO_TEST(detach_edges, an_error_abroad_goes_home_before_it_leaves_a_scope) {
    toy_scheduler scheduler;
    bool caught = false;
    open_nursery([&](nursery& n) {
        n.start_soon([&] {
            try {
                move_on_after(1s, [&] {
                    temporarily_detach(ignore_cancel, scheduler.taker());
                    throw std::domain_error("abroad");
                });
            } catch (const std::domain_error&) {
                EXPECT_TRUE(in_task());
                checkpoint();
                caught = true;
            }
        });
        wait_all_tasks_blocked();
        scheduler.turn_until_empty();
    });
    EXPECT_TRUE(caught);
}

TOMBOLO_TEST(detach_edges, a_nursery_that_is_left_abroad_is_awaited_at_home) {
    toy_scheduler scheduler;
    bool child_has_ended = false;
    bool left = false;
    open_nursery([&](nursery& outer) {
        outer.start_soon([&] {
            open_nursery([&](nursery& n) {
                n.start_soon([&] {
                    sleep_for(1s);
                    child_has_ended = true;
                });
                temporarily_detach(ignore_cancel, scheduler.taker());
            });
            left = true;
            EXPECT_TRUE(in_task());
        });
        wait_all_tasks_blocked();
        scheduler.turn_until_empty();
        EXPECT_FALSE(left);
    });
    EXPECT_TRUE(left);
    EXPECT_TRUE(child_has_ended);
}

TOMBOLO_TEST(detach_edges, a_detached_task_is_not_rescheduled_by_others) {
    toy_scheduler scheduler;
    task* traveller = nullptr;
    open_nursery([&](nursery& n) {
        n.start_soon([&] {
            traveller = &lowlevel::current_task();
            temporarily_detach(ignore_cancel, scheduler.taker());
            reattach();
        });
        wait_all_tasks_blocked();
        EXPECT_THROW(lowlevel::reschedule(*traveller), invalid_reschedule);
        scheduler.turn_until_empty();
    });
}

TOMBOLO_TEST(detach_edges, a_fiber_is_not_resumed_while_it_is_still_on_its_way_out) {
    std::optional<lowlevel::detached_fiber> kept;
    bool refused = false;
    open_nursery([&](nursery& n) {
        n.start_soon([&] {
            cancel_scope scope;
            scope.cancel();
            scope.run([&] {
                const auto hurry = [&](lowlevel::raise_cancel) {
                    try {
                        kept->resume();
                    } catch (const usage_error&) {
                        refused = true;
                    }
                };
                temporarily_detach(hurry, [&](lowlevel::detached_fiber fiber) { kept = std::move(fiber); });
                reattach();
            });
        });
        wait_all_tasks_blocked();
        kept->resume();
    });
    EXPECT_TRUE(refused);
}

TEST(detach_edges, a_run_abroad_is_no_detached_fiber) {
    toy_scheduler scheduler;
    int refused = 0;
    run([&] {
        open_nursery([&](nursery& n) {
            n.start_soon([&] {
                permanently_detach({}, scheduler.taker());
                run([&] {
                    EXPECT_THROW(suspend_detached(), usage_error);
                    EXPECT_THROW(reattach(), usage_error);
                    checkpoint();
                    ++refused;
                });
                suspend_detached();
            });
        });
    });
    scheduler.turn_until_empty();
    EXPECT_EQ(refused, 1);
}

TOMBOLO_TEST(detach_edges, nobody_detaches_for_good_before_started) {
    toy_scheduler scheduler;
    open_nursery([&](nursery& n) {
        n.start([&](task_status<>& status) {
            EXPECT_THROW(permanently_detach({}, scheduler.taker()), usage_error);
            status.started();
            permanently_detach({}, scheduler.taker());
        });
    });
    scheduler.turn_until_empty();
}

TEST(detach_edges, a_cancel_function_that_throws_ends_the_run_with_an_internal_error) {
    toy_scheduler scheduler;
    bool home = false;
    const auto main = [&] {
        cancel_scope scope;
        open_nursery([&](nursery& n) {
            n.start_soon([&] {
                scope.run([&] {
                    temporarily_detach(
                        [](lowlevel::raise_cancel) { throw std::domain_error("no telephone"); }, scheduler.taker());
                    reattach();
                    home = true;
                });
            });
            wait_all_tasks_blocked();
            scope.cancel();
            scheduler.turn_until_empty();
            checkpoint();
        });
    };
    try {
        run(main);
        ADD_FAILURE() << "the error was lost";
    } catch (const internal_error& error) {
        EXPECT_THAT(error.what(), HasSubstr("on_cancel"));
    }
    EXPECT_TRUE(home);
}

TOMBOLO_TEST(detach_edges, an_empty_cancel_function_is_refused) {
    toy_scheduler scheduler;
    EXPECT_THROW(temporarily_detach(unique_function<void(lowlevel::raise_cancel)>(), scheduler.taker()), usage_error);
    EXPECT_EQ(scheduler.size(), 0U);
}

TEST(detach_edges_death, a_handle_that_is_dropped_on_another_thread_terminates_the_program) {
    const auto drop = [] {
        toy_scheduler scheduler;
        run([&] {
            open_nursery([&](nursery& n) {
                n.start_soon([&] { temporarily_detach(ignore_cancel, scheduler.taker()); });
                wait_all_tasks_blocked();
                std::thread([&] { scheduler.drop_all(); }).join();
            });
        });
    };
    EXPECT_DEATH(drop(), "on another thread than its own");
}

}  // namespace
}  // namespace tombolo::testing
