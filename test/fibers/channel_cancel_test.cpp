#include "test/fibers/cancellation.hpp"
#include "test/fibers/thrown.hpp"

#include <tombolo/fibers/cancel_scope.hpp>
#include <tombolo/fibers/channel.hpp>
#include <tombolo/fibers/nursery.hpp>
#include <tombolo/fibers/timeouts.hpp>
#include <tombolo/testing/test.hpp>
#include <tombolo/testing/wait_all_tasks_blocked.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace tombolo::testing {
namespace {

using ::testing::ElementsAre;

// case 73, C-18
TOMBOLO_TEST(channel_cancel, of_a_send_that_waits_withdraws_the_value) {
    auto [tx, rx] = open_channel<std::unique_ptr<int>>(0);
    cancel_scope scope;
    open_nursery([&](nursery& n) {
        n.start_soon([&] {
            auto value = std::make_unique<int>(1);
            EXPECT_FALSE(scope.run([&] { tx.send(std::move(value)); }));
            EXPECT_NE(value, nullptr) << "it is still the sender's";
        });
        wait_all_tasks_blocked();
        EXPECT_EQ(tx.statistics().tasks_waiting_send, 1U);
        scope.cancel();
        EXPECT_EQ(tx.statistics().tasks_waiting_send, 0U) << "it leaves inside of cancel()";
        EXPECT_EQ(rx.try_receive(), std::nullopt);
    });
}

// case 73, C-4
TOMBOLO_TEST(channel_cancel, of_a_send_whose_value_was_taken_already_comes_too_late) {
    auto [tx, rx] = open_channel<int>(0);
    cancel_scope scope;
    bool sent = false;
    open_nursery([&](nursery& n) {
        n.start_soon([&] {
            EXPECT_FALSE(scope.run([&] {
                tx.send(1);
                sent = true;
                checkpoint();
                ADD_FAILURE() << "the next checkpoint throws";
            }));
        });
        wait_all_tasks_blocked();
        EXPECT_EQ(rx.try_receive(), 1);
        scope.cancel();
        EXPECT_EQ(rx.try_receive(), std::nullopt) << "not twice";
    });
    EXPECT_TRUE(sent);
}

// case 73
TOMBOLO_TEST(channel_cancel, of_a_send_that_was_moved_into_the_buffer_comes_too_late) {
    auto [tx, rx] = open_channel<int>(1);
    tx.send(1);
    cancel_scope scope;
    bool sent = false;
    open_nursery([&](nursery& n) {
        n.start_soon([&] {
            scope.run([&] {
                tx.send(2);
                sent = true;
            });
        });
        wait_all_tasks_blocked();
        EXPECT_EQ(rx.try_receive(), 1);
        scope.cancel();
    });
    EXPECT_TRUE(sent);
    EXPECT_EQ(rx.try_receive(), 2);
    EXPECT_EQ(rx.try_receive(), std::nullopt);
}

// C-18
TOMBOLO_TEST(channel_cancel, of_a_receive_that_waits_takes_no_value) {
    auto [tx, rx] = open_channel<int>(0);
    cancel_scope scope;
    std::optional<int> other;
    open_nursery([&](nursery& n) {
        n.start_soon([&] { EXPECT_FALSE(scope.run([&] { rx.receive(); })); });
        wait_all_tasks_blocked();
        n.start_soon([&] { other = rx.receive(); });
        wait_all_tasks_blocked();
        scope.cancel();
        EXPECT_EQ(rx.statistics().tasks_waiting_receive, 1U);
        EXPECT_TRUE(tx.try_send(4));
        EXPECT_FALSE(tx.try_send(5));
    });
    EXPECT_EQ(other, 4) << "the next one in line has it";
}

// C-4
TOMBOLO_TEST(channel_cancel, of_a_receive_that_was_given_a_value_comes_too_late) {
    auto [tx, rx] = open_channel<std::unique_ptr<int>>(0);
    cancel_scope scope;
    std::unique_ptr<int> got;
    open_nursery([&](nursery& n) {
        n.start_soon([&] {
            EXPECT_FALSE(scope.run([&] {
                got = rx.receive();
                checkpoint();
            }));
        });
        wait_all_tasks_blocked();
        EXPECT_TRUE(tx.try_send(std::make_unique<int>(6)));
        scope.cancel();
    });
    ASSERT_NE(got, nullptr);
    EXPECT_EQ(*got, 6);
}

TOMBOLO_TEST(channel_cancel, before_the_call_keeps_values_where_they_are) {
    auto [tx, rx] = open_channel<int>(2);
    tx.send(1);
    cancel_scope scope;
    scope.cancel();
    EXPECT_FALSE(scope.run([&] {
        EXPECT_TRUE(is_cancelled_in([&] { tx.send(2); }));
        EXPECT_TRUE(is_cancelled_in([&] { rx.receive(); }));
        EXPECT_TRUE(is_cancelled_in([&] { rx.begin(); }));
        EXPECT_TRUE(is_cancelled_in([&] { tx.wait_for_receiver(); }));
        EXPECT_EQ(rx.try_receive(), 1) << "what cannot wait is no checkpoint";
        EXPECT_TRUE(tx.try_send(3));
        checkpoint();
    }));
    EXPECT_EQ(rx.receive(), 3);
}

TOMBOLO_TEST(channel_cancel, of_many_in_line_leaves_the_others_in_their_places) {
    auto [tx, rx] = open_channel<int>(0);
    std::deque<cancel_scope> scopes(6);
    open_nursery([&](nursery& n) {
        for (int i = 0; i < 6; ++i) {
            n.start_soon([&, i] { scopes[static_cast<std::size_t>(i)].run([&] { tx.send(int{i}); }); });
            wait_all_tasks_blocked();
        }
        for (const std::size_t odd : {1U, 3U, 5U}) scopes[odd].cancel();
        wait_all_tasks_blocked();
        std::vector<int> got;
        while (const std::optional<int> value = rx.try_receive()) got.push_back(*value);
        EXPECT_THAT(got, ElementsAre(0, 2, 4));
    });
}

// C-18
TOMBOLO_TEST(channel_cancel, races_with_the_other_side_without_losing_or_doubling_a_value) {
    for (const std::size_t capacity : {0U, 1U, 3U}) {
        auto [tx, rx] = open_channel<int>(capacity);
        int sent = 0;
        int received = 0;
        open_nursery([&](nursery& n) {
            for (int task = 0; task < 4; ++task) {
                n.start_soon([&, own = tx.clone()]() mutable {
                    for (int i = 0; i < 50; ++i)
                        if (move_on_after(duration(i % 3), [&] { own.send(1); })) ++sent;
                });
                n.start_soon([&, own = rx.clone()]() mutable {
                    for (int i = 0; i < 50; ++i)
                        if (move_on_after(duration(i % 4), [&] { return own.receive(); })) ++received;
                });
            }
        });
        const auto left = static_cast<int>(rx.statistics().current_buffer_used);
        EXPECT_EQ(sent, received + left);
        EXPECT_GT(sent, 0);
        EXPECT_EQ(rx.statistics().tasks_waiting_send, 0U);
        EXPECT_EQ(rx.statistics().tasks_waiting_receive, 0U);
    }
}

}  // namespace
}  // namespace tombolo::testing
