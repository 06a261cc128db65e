#include <tombolo/testing/sequencer.hpp>

#include "test/fibers/thrown.hpp"

#include <tombolo/fibers/cancel_scope.hpp>
#include <tombolo/fibers/checkpoint.hpp>
#include <tombolo/fibers/nursery.hpp>
#include <tombolo/fibers/timeouts.hpp>
#include <tombolo/testing/checkpoints.hpp>
#include <tombolo/testing/test.hpp>
#include <tombolo/testing/wait_all_tasks_blocked.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <stdexcept>
#include <string>

namespace tombolo::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

TOMBOLO_TEST(sequencer, runs_blocks_of_different_tasks_in_the_order_of_their_numbers) {
    sequencer in_turn;
    std::string order;
    open_nursery([&](nursery& n) {
        n.start_soon([&] {
            in_turn(0, [&] { order += '0'; });
            in_turn(3, [&] { order += '3'; });
            in_turn(5, [&] { order += '5'; });
        });
        n.start_soon([&] {
            in_turn(1, [&] { order += '1'; });
            in_turn(4, [&] { order += '4'; });
        });
        n.start_soon([&] { in_turn(2, [&] { order += '2'; }); });
    });
    EXPECT_EQ(order, "012345");
}

TOMBOLO_TEST(sequencer, keeps_the_next_block_waiting_while_one_is_blocked) {
    sequencer in_turn;
    std::string order;
    open_nursery([&](nursery& n) {
        n.start_soon([&] {
            in_turn(0, [&] {
                for (int i = 0; i < 20; ++i) checkpoint();
                order += '0';
            });
        });
        n.start_soon([&] { in_turn(1, [&] { order += '1'; }); });
    });
    EXPECT_EQ(order, "01");
}

TOMBOLO_TEST(sequencer, returns_what_the_block_returns) {
    sequencer in_turn;
    int number = 7;
    EXPECT_EQ(in_turn(0, [] { return std::string("value"); }), "value");
    int& same = in_turn(1, [&]() -> int& { return number; });
    EXPECT_EQ(&same, &number);
}

TOMBOLO_TEST(sequencer, a_block_that_throws_has_had_its_turn) {
    sequencer in_turn;
    EXPECT_THROW(in_turn(0, [] { throw std::runtime_error("block"); }), std::runtime_error);
    bool ran = false;
    in_turn(1, [&] { ran = true; });
    EXPECT_TRUE(ran);
}

TOMBOLO_TEST(sequencer, starts_at_zero_without_a_checkpoint) {
    sequencer in_turn;
    EXPECT_EQ(assert_no_checkpoints([&] { return in_turn(0, [] { return 1; }); }), 1);
}

TOMBOLO_TEST(sequencer, refuses_a_number_a_second_time_while_it_waits_and_after_it_was_left) {
    sequencer in_turn;
    bool ran = false;
    open_nursery([&](nursery& n) {
        n.start_soon([&] { in_turn(1, [&] { ran = true; }); });
        wait_all_tasks_blocked();
        EXPECT_THAT(
            text_of<usage_error>([&] { in_turn(1, [] { ADD_FAILURE() << "taken"; }); }),
            AllOf(HasSubstr("position 1"), HasSubstr("use each number once")));
        in_turn(0, [] {});
        EXPECT_THAT(
            text_of<usage_error>([&] { in_turn(0, [] { ADD_FAILURE() << "left"; }); }), HasSubstr("position 0"));
    });
    EXPECT_TRUE(ran);
}

TOMBOLO_TEST(sequencer, a_cancelled_wait_breaks_it_for_everybody_late_comers_too) {
    sequencer in_turn;
    cancel_scope scope;
    int broken = 0;
    const auto expect_broken = [&](unsigned position) {
        EXPECT_THAT(
            text_of<broken_resource>([&] { in_turn(position, [] { ADD_FAILURE() << "not my turn"; }); }),
            AllOf(HasSubstr("sequencer"), HasSubstr("cancelled")));
        ++broken;
    };
    open_nursery([&](nursery& n) {
        n.start_soon([&] { scope.run([&] { in_turn(1, [] { ADD_FAILURE() << "cancelled"; }); }); });
        n.start_soon([&] { expect_broken(2); });
        n.start_soon([&] { expect_broken(4); });
        wait_all_tasks_blocked();
        scope.cancel();
    });
    EXPECT_TRUE(scope.cancelled_caught());
    expect_broken(3);
    expect_broken(0);
    EXPECT_EQ(broken, 4);
}

}  // namespace
}  // namespace tombolo::testing
