#include <tombolo/fibers/detach.hpp>

#include "test/fibers/toy_scheduler.hpp"

#include <tombolo/fibers/cancel_scope.hpp>
#include <tombolo/fibers/checkpoint.hpp>
#include <tombolo/fibers/errors.hpp>
#include <tombolo/fibers/exception_group.hpp>
#include <tombolo/fibers/flavour.hpp>
#include <tombolo/fibers/nursery.hpp>
#include <tombolo/fibers/run.hpp>
#include <tombolo/fibers/statistics.hpp>
#include <tombolo/fibers/task.hpp>
#include <tombolo/fibers/timeouts.hpp>
#include <tombolo/testing/test.hpp>
#include <tombolo/testing/wait_all_tasks_blocked.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace tombolo::testing {
namespace {

using lowlevel::permanently_detach;
using lowlevel::reattach;
using lowlevel::suspend_detached;
using lowlevel::temporarily_detach;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

void ignore_cancel(lowlevel::raise_cancel) {}

/// Runs `body` in a task of its own and drives what it detaches from the main task.
template <class F>
void with_toy_scheduler(F body) {
    toy_scheduler scheduler;
    open_nursery([&](nursery& n) {
        n.start_soon([&] { body(scheduler); }, {.name = "traveller"});
        wait_all_tasks_blocked();
        scheduler.turn_until_empty();
    });
}

// case 50
TOMBOLO_TEST(detach, a_fiber_travels_to_a_foreign_scheduler_and_home_again) {
    std::vector<std::string> log;
    task* traveller = nullptr;
    with_toy_scheduler([&](toy_scheduler& scheduler) {
        traveller = &lowlevel::current_task();
        temporarily_detach(ignore_cancel, scheduler.taker());
        log.push_back(in_task() ? "in a task" : "away");
        suspend_detached();
        log.push_back("resumed");
        reattach();
        EXPECT_EQ(&lowlevel::current_task(), traveller);
        log.push_back("home");
        checkpoint();
        sleep_for(std::chrono::seconds(1));
        log.push_back("slept");
    });
    EXPECT_THAT(log, ElementsAre("away", "resumed", "home", "slept"));
}

TOMBOLO_TEST(detach, going_home_wakes_the_task_but_runs_it_only_later) {
    toy_scheduler scheduler;
    bool home = false;
    open_nursery([&](nursery& n) {
        n.start_soon([&] {
            temporarily_detach(ignore_cancel, scheduler.taker());
            reattach();
            home = true;
        });
        wait_all_tasks_blocked();
        scheduler.turn();
        EXPECT_EQ(scheduler.size(), 0U) << "a fiber that went home has finished for the foreign scheduler";
        EXPECT_FALSE(home);
        wait_all_tasks_blocked();
        EXPECT_TRUE(home);
    });
}

TOMBOLO_TEST(detach, a_detached_fiber_has_no_task_and_must_not_block) {
    with_toy_scheduler([&](toy_scheduler& scheduler) {
        temporarily_detach(ignore_cancel, scheduler.taker());
        EXPECT_FALSE(in_task());
        EXPECT_EQ(current_flavour(), flavour::none);
        EXPECT_THROW(lowlevel::current_task(), not_in_task);
        try {
            checkpoint();
            ADD_FAILURE() << "a checkpoint worked on a detached fiber";
        } catch (const checkpoint_forbidden& error) {
            EXPECT_THAT(error.what(), HasSubstr("reattach"));
        }
        reattach();
        checkpoint();
    });
}

// case 50
TOMBOLO_TEST(detach, a_task_that_is_detached_for_good_ends_while_its_fiber_lives_on) {
    toy_scheduler scheduler;
    auto alive = std::make_shared<int>(0);
    const std::weak_ptr<int> watched = alive;
    std::vector<std::string> log;
    open_nursery([&](nursery& n) {
        n.start_soon([&, local = std::move(alive)] {
            permanently_detach({}, scheduler.taker());
            log.push_back("away");
            suspend_detached();
            *local = 5;
            log.push_back("at its end");
        });
    });
    log.push_back("nursery left");
    EXPECT_FALSE(watched.expired());
    scheduler.turn_until_empty();
    EXPECT_TRUE(watched.expired()) << "the task's function was not destroyed";
    EXPECT_THAT(log, ElementsAre("nursery left", "away", "at its end"));
}

TOMBOLO_TEST(detach, the_last_outcome_is_what_the_nursery_sees) {
    toy_scheduler scheduler;
    try {
        open_nursery([&](nursery& n) {
            n.start_soon([&] {
                permanently_detach(std::make_exception_ptr(std::domain_error("left in anger")), scheduler.taker());
            });
        });
        ADD_FAILURE() << "the error was lost";
    } catch (const exception_group& group) {
        EXPECT_THAT(group.what(), HasSubstr("left in anger"));
    }
    scheduler.turn_until_empty();
}

TOMBOLO_TEST(detach, an_error_of_a_fiber_that_was_detached_for_good_comes_out_of_resume) {
    toy_scheduler scheduler;
    open_nursery([&](nursery& n) {
        n.start_soon([&] {
            permanently_detach({}, scheduler.taker());
            throw std::domain_error("abroad");
        });
    });
    EXPECT_THROW(scheduler.turn_until_empty(), std::domain_error);
}

TEST(detach, a_fiber_may_outlive_its_run) {
    toy_scheduler scheduler;
    std::string said;
    run([&] {
        open_nursery([&](nursery& n) {
            n.start_soon([&, words = std::string(100, 'x')] {
                permanently_detach({}, scheduler.taker());
                EXPECT_FALSE(in_run());
                suspend_detached();
                said = words;
            });
        });
    });
    EXPECT_EQ(scheduler.size(), 1U);
    scheduler.turn_until_empty();
    EXPECT_EQ(said, std::string(100, 'x'));
}

TEST(detach, a_fiber_that_outlived_its_run_may_end_inside_another_one) {
    toy_scheduler scheduler;
    bool ended = false;
    run([&] {
        open_nursery([&](nursery& n) {
            n.start_soon([&] {
                permanently_detach({}, scheduler.taker());
                ended = true;
            });
        });
    });
    run([&] { scheduler.turn_until_empty(); });
    EXPECT_TRUE(ended);
}

// case 50
TOMBOLO_TEST(detach, a_cancel_meanwhile_tells_the_foreign_side_and_arrives_at_the_first_checkpoint_at_home) {
    toy_scheduler scheduler;
    int told = 0;
    bool passed_reattach = false;
    cancel_scope scope;
    open_nursery([&](nursery& n) {
        n.start_soon([&] {
            EXPECT_FALSE(scope.run([&] {
                temporarily_detach([&](lowlevel::raise_cancel) { ++told; }, scheduler.taker());
                reattach();
                passed_reattach = true;
                checkpoint();
                ADD_FAILURE() << "the cancel was lost";
            }));
        });
        wait_all_tasks_blocked();
        scope.cancel();
        scope.cancel();
        EXPECT_EQ(told, 1);
        wait_all_tasks_blocked();
        EXPECT_FALSE(passed_reattach) << "the task ran although its stack is away";
        scheduler.turn_until_empty();
    });
    EXPECT_TRUE(passed_reattach);
    EXPECT_TRUE(scope.cancelled_caught());
}

TOMBOLO_TEST(detach, a_task_that_is_cancelled_already_tells_the_foreign_side_at_once) {
    int told = 0;
    with_toy_scheduler([&](toy_scheduler& scheduler) {
        cancel_scope scope;
        scope.cancel();
        EXPECT_FALSE(scope.run([&] {
            temporarily_detach([&](lowlevel::raise_cancel) { ++told; }, scheduler.taker());
            reattach();
            checkpoint();
        }));
    });
    EXPECT_EQ(told, 1);
}

TOMBOLO_TEST(detach, a_dropped_fiber_throws_at_home) {
    int thrown = 0;
    for (const int turns : {0, 1, 2}) {
        toy_scheduler scheduler;
        open_nursery([&](nursery& n) {
            n.start_soon([&] {
                try {
                    temporarily_detach(ignore_cancel, scheduler.taker());
                    for (int i = 0; i < 5; ++i) suspend_detached();
                    ADD_FAILURE() << "went on abroad";
                } catch (const detached_fiber_dropped&) {
                    EXPECT_TRUE(in_task());
                    ++thrown;
                }
                checkpoint();
            });
            wait_all_tasks_blocked();
            for (int i = 0; i < turns; ++i) scheduler.turn();
            scheduler.drop_all();
        });
    }
    EXPECT_EQ(thrown, 3);
}

TOMBOLO_TEST(detach, a_function_that_ends_abroad_goes_home_by_itself) {
    try {
        with_toy_scheduler([&](toy_scheduler& scheduler) {
            temporarily_detach(ignore_cancel, scheduler.taker());
            throw std::domain_error("forgot the way");
        });
        ADD_FAILURE() << "the error was lost";
    } catch (const exception_group& group) {
        EXPECT_THAT(group.what(), HasSubstr("forgot the way"));
    }
}

TOMBOLO_TEST(detach, exceptions_that_are_being_handled_travel_with_the_fiber) {
    toy_scheduler scheduler;
    open_nursery([&](nursery& n) {
        n.start_soon([&] {
            try {
                throw std::domain_error("luggage");
            } catch (const std::exception&) {
                temporarily_detach(ignore_cancel, scheduler.taker());
                suspend_detached();
                reattach();
                EXPECT_THROW(throw, std::domain_error);
            }
        });
        wait_all_tasks_blocked();
        try {
            throw std::range_error("mine");
        } catch (const std::exception&) {
            scheduler.turn();
            scheduler.turn();
            EXPECT_THROW(throw, std::range_error);
        }
    });
}

TOMBOLO_TEST(detach, detached_fibers_may_resume_each_other) {
    std::vector<int> log;
    toy_scheduler outer;
    toy_scheduler inner;
    open_nursery([&](nursery& n) {
        n.start_soon([&] {
            temporarily_detach(ignore_cancel, inner.taker());
            log.push_back(2);
            suspend_detached();
            log.push_back(4);
            reattach();
        });
        n.start_soon([&] {
            temporarily_detach(ignore_cancel, outer.taker());
            log.push_back(1);
            inner.turn();
            log.push_back(3);
            inner.turn();
            log.push_back(5);
            reattach();
        });
        wait_all_tasks_blocked();
        outer.turn_until_empty();
    });
    EXPECT_THAT(log, ElementsAre(1, 2, 3, 4, 5));
}

TOMBOLO_TEST(detach, bad_use_is_refused_with_nothing_changed) {
    toy_scheduler scheduler;
    EXPECT_THROW(suspend_detached(), usage_error);
    EXPECT_THROW(reattach(), usage_error);
    EXPECT_THROW(permanently_detach({}, scheduler.taker()), usage_error) << "the main task";
    EXPECT_THROW(temporarily_detach(ignore_cancel, [](lowlevel::detached_fiber) {}), usage_error) << "dropped at once";
    EXPECT_THROW(
        temporarily_detach(ignore_cancel, [](lowlevel::detached_fiber) { throw std::domain_error("full"); }),
        std::domain_error);
    std::optional<lowlevel::detached_fiber> kept;
    EXPECT_THROW(
        temporarily_detach(
            ignore_cancel,
            [&](lowlevel::detached_fiber fiber) {
                kept = std::move(fiber);
                kept->resume();
            }),
        usage_error);
    kept.reset();
    open_nursery([&](nursery& n) {
        n.start_soon([&] {
            open_nursery([&](nursery&) { EXPECT_THROW(permanently_detach({}, scheduler.taker()), usage_error); });
            cancel_scope scope;
            EXPECT_TRUE(scope.run([&] { EXPECT_THROW(permanently_detach({}, scheduler.taker()), usage_error); }));
            checkpoint();
            permanently_detach({}, scheduler.taker());
            EXPECT_THROW(reattach(), usage_error);
        });
    });
    scheduler.turn_until_empty();
    EXPECT_EQ(scheduler.size(), 0U);
}

TOMBOLO_TEST(detach, a_thousand_fibers_come_and_go) {
    toy_scheduler scheduler;
    int home = 0;
    open_nursery([&](nursery& n) {
        for (int i = 0; i < 1000; ++i)
            n.start_soon([&, i] {
                temporarily_detach(ignore_cancel, scheduler.taker());
                for (int turns = i % 7; turns > 0; --turns) suspend_detached();
                reattach();
                checkpoint();
                if (i % 2 == 0) permanently_detach({}, scheduler.taker());
                ++home;
            });
        n.start_soon([&] {
            while (home < 1000) {
                scheduler.turn();
                checkpoint();
            }
        });
    });
    EXPECT_EQ(home, 1000);
    EXPECT_EQ(scheduler.size(), 0U);
}

TEST(detach_death, dropping_a_fiber_that_was_detached_for_good_terminates_the_program) {
    const auto drop = [] {
        toy_scheduler scheduler;
        run([&] {
            open_nursery([&](nursery& n) { n.start_soon([&] { permanently_detach({}, scheduler.taker()); }); });
        });
        scheduler.drop_all();
    };
    EXPECT_DEATH(drop(), "keep it until finished");
}

}  // namespace
}  // namespace tombolo::testing
