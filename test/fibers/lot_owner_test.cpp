#include "test/fibers/thrown.hpp"

#include <tombolo/fibers/nursery.hpp>
#include <tombolo/fibers/parking_lot.hpp>
#include <tombolo/fibers/run.hpp>
#include <tombolo/fibers/task.hpp>
#include <tombolo/fibers/task_tree.hpp>
#include <tombolo/testing/test.hpp>
#include <tombolo/testing/wait_all_tasks_blocked.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

// What locks use of a parking lot: waking one task without an allocation, and the task that answers for the lot.

namespace tombolo::testing {
namespace {

using lowlevel::lot_owner;
using lowlevel::parking_lot;
using ::testing::AllOf;
using ::testing::HasSubstr;

/// Tasks that wait in a lot, in this order.
struct sleepers {
    void park(nursery& n, parking_lot& lot, int count) {
        for (int i = 0; i < count; ++i) {
            n.start_soon([&] {
                tasks.push_back(&lowlevel::current_task());
                lot.park("the place of a test");
            });
            wait_all_tasks_blocked();
        }
    }
    std::vector<task*> tasks;
};

TOMBOLO_TEST(parking_lot, wakes_one_task_and_says_which) {
    parking_lot lot;
    EXPECT_EQ(lot.unpark_one(), nullptr);
    EXPECT_EQ(lot.first(), nullptr);
    sleepers asleep;
    open_nursery([&](nursery& n) {
        asleep.park(n, lot, 2);
        EXPECT_EQ(lot.first(), asleep.tasks[0]);
        EXPECT_EQ(lot.unpark_one(), asleep.tasks[0]);
        EXPECT_EQ(lot.size(), 1U);
        EXPECT_EQ(lot.first(), asleep.tasks[1]);
        EXPECT_EQ(lot.unpark_one(), asleep.tasks[1]);
        EXPECT_EQ(lot.unpark_one(), nullptr);
    });
}

TOMBOLO_TEST(parking_lot, names_the_place_in_task_trees_and_errors) {
    parking_lot lot;
    sleepers asleep;
    open_nursery([&](nursery& n) {
        asleep.park(n, lot, 1);
        std::ostringstream tree;
        lowlevel::dump_tasks(tree);
        EXPECT_THAT(tree.str(), HasSubstr("the place of a test"));
        lot.unpark_one();
    });
    lot.require_unbroken("before");
    lot.break_lot();
    EXPECT_THAT(
        text_of<broken_resource>([&] { lot.park("the place of a test"); }),
        AllOf(HasSubstr("the place of a test"), HasSubstr("\"main\"")));
    EXPECT_THAT(text_of<broken_resource>([&] { lot.require_unbroken("after"); }), HasSubstr("after"));
}

TOMBOLO_TEST(parking_lot, wakes_one_task_only_on_its_own_thread) {
    parking_lot lot;
    sleepers asleep;
    open_nursery([&](nursery& n) {
        asleep.park(n, lot, 1);
        std::thread([&] {
            EXPECT_THAT(text_of<wrong_thread>([&] { lot.unpark_one(); }), HasSubstr("run_token"));
            run([&] { text_of<wrong_thread>([&] { lot.park(); }); });
        }).join();
        EXPECT_EQ(lot.size(), 1U);
        lot.unpark_one();
    });
}

TOMBOLO_TEST(lot_owner, is_one_task_until_it_hands_over) {
    parking_lot lot;
    lot_owner owner(lot);
    EXPECT_EQ(owner.get(), nullptr);
    EXPECT_TRUE(owner.try_take());
    EXPECT_EQ(owner.get(), &lowlevel::current_task());
    owner.require_current_task("a test");
    EXPECT_FALSE(owner.try_take());
    owner.hand_over("a test");
    EXPECT_EQ(owner.get(), nullptr);
    EXPECT_THAT(
        text_of<not_owner>([&] { owner.hand_over("a test"); }), AllOf(HasSubstr("a test"), HasSubstr("nobody is")));
    text_of<not_owner>([&] { owner.require_current_task("a test"); });
}

TOMBOLO_TEST(lot_owner, hands_over_to_the_task_that_waits_longest) {
    parking_lot lot;
    lot_owner owner(lot);
    sleepers asleep;
    open_nursery([&](nursery& n) {
        EXPECT_TRUE(owner.try_take());
        asleep.park(n, lot, 1);
        n.start_soon([&] { text_of<broken_resource>([&] { lot.park(); }); });
        wait_all_tasks_blocked();
        owner.hand_over("a test");
        EXPECT_EQ(owner.get(), asleep.tasks[0]);
        EXPECT_EQ(lot.size(), 1U);
        wait_all_tasks_blocked();
        EXPECT_TRUE(lot.broken()) << "it has exited as the owner";
        EXPECT_TRUE(lot.empty());
        EXPECT_EQ(owner.get(), nullptr);
        EXPECT_FALSE(owner.try_take());
        owner.hand_over("nothing happens");
    });
}

TOMBOLO_TEST(lot_owner, that_is_gone_breaks_nothing) {
    parking_lot lot;
    open_nursery([&](nursery& n) {
        n.start_soon([&] {
            auto owner = std::make_unique<lot_owner>(lot);
            EXPECT_TRUE(owner->try_take());
            owner.reset();
        });
    });
    EXPECT_FALSE(lot.broken());
}

TEST(lot_owner, is_a_task) {
    parking_lot lot;
    lot_owner owner(lot);
    text_of<not_in_run>([&] { static_cast<void>(owner.try_take()); });
    text_of<not_in_run>([&] { owner.hand_over("a test"); });
    EXPECT_EQ(owner.get(), nullptr);
}

}  // namespace
}  // namespace tombolo::testing
