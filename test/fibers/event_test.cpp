#include <tombolo/fibers/event.hpp>

#include "test/fibers/cancellation.hpp"
#include "test/fibers/thrown.hpp"

#include <tombolo/fibers/cancel_scope.hpp>
#include <tombolo/fibers/nursery.hpp>
#include <tombolo/fibers/task_tree.hpp>
#include <tombolo/testing/checkpoints.hpp>
#include <tombolo/testing/test.hpp>
#include <tombolo/testing/wait_all_tasks_blocked.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <sstream>
#include <thread>
#include <type_traits>

namespace tombolo::testing {
namespace {

using ::testing::HasSubstr;

// Y1
static_assert(!std::is_constructible_v<bool, event>, "whether it is set is asked by name");
static_assert(!std::is_copy_constructible_v<event> && !std::is_move_constructible_v<event>);

TOMBOLO_TEST(event, wakes_everybody_who_waits_when_it_is_set) {
    event e;
    int woken = 0;
    open_nursery([&](nursery& n) {
        for (int i = 0; i < 3; ++i)
            n.start_soon([&] {
                e.wait();
                ++woken;
            });
        wait_all_tasks_blocked();
        EXPECT_FALSE(e.is_set());
        EXPECT_EQ(woken, 0);
        EXPECT_EQ(e.statistics().tasks_waiting, 3U);
        e.set();
        EXPECT_TRUE(e.is_set());
        EXPECT_EQ(e.statistics().tasks_waiting, 0U);
        EXPECT_EQ(woken, 0) << "nobody runs before the caller's next checkpoint";
    });
    EXPECT_EQ(woken, 3);
}

TOMBOLO_TEST(event, that_is_set_is_waited_for_by_a_checkpoint) {
    event e;
    assert_no_checkpoints([&] { e.set(); });
    assert_no_checkpoints([&] { e.set(); });
    assert_checkpoints([&] { e.wait(); });
    assert_checkpoints([&] { e.wait(); });
    cancel_scope scope;
    scope.cancel();
    EXPECT_FALSE(scope.run([&] { e.wait(); })) << "a checkpoint in a cancelled scope throws";
}

TOMBOLO_TEST(event, forgets_a_task_that_is_cancelled_while_it_waits) {
    event e;
    cancel_scope scope;
    bool other_woken = false;
    open_nursery([&](nursery& n) {
        n.start_soon([&] { scope.run([&] { e.wait(); }); });
        n.start_soon([&] {
            e.wait();
            other_woken = true;
        });
        wait_all_tasks_blocked();
        scope.cancel();
        EXPECT_EQ(e.statistics().tasks_waiting, 1U) << "it leaves inside of cancel()";
        wait_all_tasks_blocked();
        EXPECT_TRUE(scope.cancelled_caught());
        e.set();
    });
    EXPECT_TRUE(other_woken);
}

// C-4
TOMBOLO_TEST(event, set_before_a_cancel_counts_as_waited_for) {
    event e;
    cancel_scope scope;
    bool woken = false;
    open_nursery([&](nursery& n) {
        n.start_soon([&] {
            scope.run([&] {
                e.wait();
                woken = true;
            });
        });
        wait_all_tasks_blocked();
        e.set();
        scope.cancel();
    });
    EXPECT_TRUE(woken);
    EXPECT_FALSE(scope.cancelled_caught());
}

TOMBOLO_TEST(event, may_be_set_by_the_task_that_has_just_been_woken_by_another_one) {
    event first;
    event second;
    open_nursery([&](nursery& n) {
        n.start_soon([&] {
            first.wait();
            second.set();
        });
        wait_all_tasks_blocked();
        first.set();
        second.wait();
    });
}

TOMBOLO_TEST(event, may_go_as_soon_as_it_has_been_set) {
    std::optional<event> e(std::in_place);
    bool woken = false;
    open_nursery([&](nursery& n) {
        n.start_soon([&] {
            e->wait();
            woken = true;
        });
        wait_all_tasks_blocked();
        e->set();
        e.reset();
    });
    EXPECT_TRUE(woken);
}

TOMBOLO_TEST(event, names_itself_in_task_trees) {
    event e;
    open_nursery([&](nursery& n) {
        n.start_soon([&] { e.wait(); });
        wait_all_tasks_blocked();
        std::ostringstream tree;
        lowlevel::dump_tasks(tree);
        EXPECT_THAT(tree.str(), HasSubstr("event::wait"));
        e.set();
    });
}

TOMBOLO_TEST(event, is_left_alone_by_a_set_from_a_wrong_thread) {
    event e;
    open_nursery([&](nursery& n) {
        n.start_soon([&] { e.wait(); });
        wait_all_tasks_blocked();
        std::thread([&] { EXPECT_THAT(text_of<wrong_thread>([&] { e.set(); }), HasSubstr("run_token")); }).join();
        EXPECT_FALSE(e.is_set());
        EXPECT_EQ(e.statistics().tasks_waiting, 1U);
        e.set();
    });
}

TEST(event, needs_a_task_to_be_waited_for) {
    event e;
    text_of<not_in_run>([&] { e.wait(); });
    EXPECT_EQ(e.statistics().tasks_waiting, 0U);
    e.set();
    text_of<not_in_run>([&] { e.wait(); });
}

TEST(event_death, is_not_destroyed_while_somebody_waits) {
    const auto destroy = [] {
        run_test_body([] {
            std::optional<event> e(std::in_place);
            open_nursery([&](nursery& n) {
                n.start_soon([&] { e->wait(); });
                wait_all_tasks_blocked();
                e.reset();
            });
        });
    };
    EXPECT_DEATH(destroy(), "nobody may wait");
}

}  // namespace
}  // namespace tombolo::testing
