#include <tombolo/fibers/channel.hpp>

#include <tombolo/fibers/nursery.hpp>
#include <tombolo/fibers/task_tree.hpp>
#include <tombolo/testing/test.hpp>
#include <tombolo/testing/wait_all_tasks_blocked.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <iterator>
#include <memory>
#include <optional>
#include <ranges>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

namespace tombolo::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

static_assert(std::ranges::input_range<receiver<int>>);
static_assert(std::ranges::input_range<receiver<std::unique_ptr<int>>>);
static_assert(std::movable<sender<int>> && !std::copyable<sender<int>>);
static_assert(std::movable<receiver<int>> && !std::copyable<receiver<int>>);

TOMBOLO_TEST(channel, carries_values_in_the_order_in_which_they_were_sent) {
    auto [tx, rx] = open_channel<std::string>(2);
    const std::string two = "two";
    tx.send("one");
    tx.send(two);
    EXPECT_EQ(two, "two") << "an lvalue is copied";
    EXPECT_EQ(rx.receive(), "one");
    tx.send("three");
    EXPECT_EQ(rx.receive(), "two");
    EXPECT_EQ(rx.receive(), "three");
}

TOMBOLO_TEST(channel, tries_without_ever_waiting) {
    auto [tx, rx] = open_channel<std::string>(1);
    EXPECT_EQ(rx.try_receive(), std::nullopt);
    EXPECT_TRUE(tx.try_send("first"));
    std::string second = "second, long enough to be on the heap";
    EXPECT_FALSE(tx.try_send(std::move(second)));
    EXPECT_EQ(second, "second, long enough to be on the heap") << "what was not taken is as it was";
    EXPECT_EQ(rx.try_receive(), "first");
    EXPECT_EQ(rx.try_receive(), std::nullopt);
}

// case 75
TOMBOLO_TEST(channel, without_a_buffer_makes_each_send_wait_for_its_receive) {
    auto [tx, rx] = open_channel<int>(0);
    EXPECT_FALSE(tx.try_send(0)) << "nobody waits for it";
    bool sent = false;
    open_nursery([&](nursery& n) {
        n.start_soon([&] {
            tx.send(1);
            sent = true;
        });
        wait_all_tasks_blocked();
        EXPECT_FALSE(sent);
        EXPECT_EQ(rx.try_receive(), 1);
        EXPECT_FALSE(sent) << "nobody runs before the next checkpoint";
        wait_all_tasks_blocked();
        EXPECT_TRUE(sent);
    });
    std::optional<int> got;
    open_nursery([&](nursery& n) {
        n.start_soon([&] { got = rx.receive(); });
        wait_all_tasks_blocked();
        EXPECT_TRUE(tx.try_send(2));
        EXPECT_FALSE(tx.try_send(3)) << "the one who waited has its value";
    });
    EXPECT_EQ(got, 2);
}

// case 75
TOMBOLO_TEST(channel, without_a_limit_never_makes_a_sender_wait) {
    auto [tx, rx] = open_channel<int>(unbounded);
    for (int i = 0; i < 1000; ++i) EXPECT_TRUE(tx.try_send(int{i}));
    EXPECT_EQ(tx.statistics().max_buffer_size, unbounded);
    EXPECT_EQ(tx.statistics().current_buffer_used, 1000U);
    for (int i = 0; i < 1000; ++i) EXPECT_EQ(rx.try_receive(), i);
    EXPECT_EQ(rx.try_receive(), std::nullopt);
}

TOMBOLO_TEST(channel, keeps_the_order_while_its_buffer_wraps_around_and_grows) {
    auto [tx, rx] = open_channel<std::string>(100);
    int sent = 0;
    int received = 0;
    for (int round = 0; round < 20; ++round) {
        for (int i = 0; i < 5 + round; ++i) EXPECT_TRUE(tx.try_send(std::to_string(sent++)));
        while (received < sent - round / 2) EXPECT_EQ(rx.try_receive(), std::to_string(received++));
    }
    EXPECT_GT(tx.statistics().peak_buffer_used, 16U) << "it has grown";
    EXPECT_EQ(tx.statistics().current_buffer_used, static_cast<std::size_t>(sent - received));
}

// case 75
TOMBOLO_TEST(channel, serves_senders_and_receivers_in_the_order_in_which_they_came) {
    auto [tx, rx] = open_channel<int>(1);
    std::vector<int> sent;
    open_nursery([&](nursery& n) {
        for (int i = 0; i < 5; ++i) {
            n.start_soon([&, i] {
                tx.send(int{i});
                sent.push_back(i);
            });
            wait_all_tasks_blocked();
        }
        EXPECT_THAT(sent, ElementsAre(0)) << "one fits in";
        EXPECT_EQ(tx.statistics().tasks_waiting_send, 4U);
        for (int i = 0; i < 5; ++i) {
            EXPECT_EQ(rx.receive(), i);
            wait_all_tasks_blocked();
        }
        EXPECT_THAT(sent, ElementsAre(0, 1, 2, 3, 4));
    });
    std::vector<int> order;
    open_nursery([&](nursery& n) {
        for (int i = 0; i < 5; ++i) {
            n.start_soon([&, i] {
                const int value = rx.receive();
                EXPECT_EQ(value, 10 * i);
                order.push_back(i);
            });
            wait_all_tasks_blocked();
        }
        EXPECT_EQ(rx.statistics().tasks_waiting_receive, 5U);
        for (int i = 0; i < 5; ++i) tx.send(10 * i);
    });
    EXPECT_THAT(order, UnorderedElementsAre(0, 1, 2, 3, 4));
}

// case 75
TOMBOLO_TEST(channel, does_not_let_a_quick_sender_overtake_those_who_wait) {
    auto [tx, rx] = open_channel<int>(0);
    open_nursery([&](nursery& n) {
        n.start_soon([&] { tx.send(1); });
        wait_all_tasks_blocked();
        EXPECT_FALSE(tx.try_send(2));
        n.start_soon([&] { tx.send(3); });
        wait_all_tasks_blocked();
        EXPECT_EQ(rx.receive(), 1);
        EXPECT_EQ(rx.receive(), 3);
    });
}

// case 75
TOMBOLO_TEST(channel, says_what_is_in_it_and_who_waits) {
    auto [tx, rx] = open_channel<int>(2);
    auto tx2 = tx.clone();
    EXPECT_EQ(tx.statistics().max_buffer_size, 2U);
    EXPECT_EQ(tx.statistics().open_senders, 2U);
    EXPECT_EQ(rx.statistics().open_receivers, 1U);
    open_nursery([&](nursery& n) {
        for (int i = 0; i < 3; ++i) n.start_soon([&] { tx.send(7); });
        wait_all_tasks_blocked();
        for (const channel_statistics& seen : {tx.statistics(), tx2.statistics(), rx.statistics()}) {
            EXPECT_EQ(seen.current_buffer_used, 2U);
            EXPECT_EQ(seen.tasks_waiting_send, 1U);
            EXPECT_EQ(seen.tasks_waiting_receive, 0U);
        }
        for (int i = 0; i < 3; ++i) rx.receive();
        EXPECT_EQ(rx.statistics().current_buffer_used, 0U);
        EXPECT_EQ(rx.statistics().peak_buffer_used, 2U) << "the peak stays";
        n.start_soon([&] { rx.receive(); });
        wait_all_tasks_blocked();
        EXPECT_EQ(tx.statistics().tasks_waiting_receive, 1U);
        EXPECT_EQ(tx.statistics().tasks_waiting_send, 0U);
        tx2.close();
        EXPECT_EQ(tx2.statistics().open_senders, 1U) << "a closed handle still tells";
        tx.send(8);
    });
    EXPECT_EQ(tx.statistics().peak_buffer_used, 2U);
}

TOMBOLO_TEST(channel, is_looped_over_until_the_last_sender_is_closed) {
    auto [tx, rx] = open_channel<int>(1);
    std::vector<int> got;
    open_nursery([&](nursery& n) {
        for (int first : {0, 10}) {
            n.start_soon([own = tx.clone(), first]() mutable {
                for (int i = 0; i < 3; ++i) own.send(first + i);
            });
        }
        tx.close();
        for (int& value : rx) got.push_back(value);
    });
    EXPECT_THAT(got, UnorderedElementsAre(0, 1, 2, 10, 11, 12));
    for (int value : rx) ADD_FAILURE() << value << " came out of a channel that has ended";
}

TOMBOLO_TEST(channel, gives_each_value_to_one_of_the_loops_over_it) {
    auto [tx, rx] = open_channel<int>(0);
    std::vector<int> got;
    open_nursery([&](nursery& n) {
        for (int i = 0; i < 3; ++i)
            n.start_soon([&, own = rx.clone()]() mutable {
                for (int value : own) got.push_back(value);
            });
        for (int i = 0; i < 9; ++i) tx.send(int{i});
        tx.close();
    });
    std::ranges::sort(got);
    EXPECT_THAT(got, ElementsAre(0, 1, 2, 3, 4, 5, 6, 7, 8));
}

TOMBOLO_TEST(channel, is_a_range) {
    auto [tx, rx] = open_channel<int>(4);
    for (int i = 1; i <= 4; ++i) tx.send(int{i});
    tx.close();
    std::vector<int> doubled;
    std::ranges::copy(rx | std::views::transform([](int i) { return 2 * i; }), std::back_inserter(doubled));
    EXPECT_THAT(doubled, ElementsAre(2, 4, 6, 8));
}

TOMBOLO_TEST(channel, lets_others_run_at_every_send_and_receive) {
    auto [tx, rx] = open_channel<int>(unbounded);
    int others = 0;
    open_nursery([&](nursery& n) {
        n.start_soon([&] {
            for (int i = 0; i < 10; ++i, ++others) checkpoint();
        });
        for (int i = 0; i < 5; ++i) tx.send(1);
        EXPECT_GE(others, 3);
        for (int i = 0; i < 5; ++i) rx.receive();
        EXPECT_GE(others, 8);
    });
}

TOMBOLO_TEST(channel, tells_a_sender_when_somebody_waits_for_a_value) {
    auto [tx, rx] = open_channel<int>(0);
    std::vector<std::string> order;
    open_nursery([&](nursery& n) {
        n.start_soon([&] {
            for (int i = 0; i < 3; ++i) {
                tx.wait_for_receiver();
                order.push_back("wanted");
                EXPECT_TRUE(tx.try_send(int{i}));
            }
        });
        wait_all_tasks_blocked();
        EXPECT_THAT(order, IsEmpty());
        EXPECT_EQ(rx.try_receive(), std::nullopt) << "a receive that does not wait asks for nothing";
        wait_all_tasks_blocked();
        EXPECT_THAT(order, IsEmpty());
        for (int i = 0; i < 3; ++i) {
            EXPECT_EQ(rx.receive(), i);
            order.push_back("got");
            wait_all_tasks_blocked();
        }
    });
    EXPECT_THAT(order, ElementsAre("wanted", "got", "wanted", "got", "wanted", "got"));
}

TOMBOLO_TEST(channel, names_the_waits_in_the_task_tree) {
    auto [tx, rx] = open_channel<int>(0);
    open_nursery([&](nursery& n) {
        n.start_soon([&] { rx.receive(); });
        wait_all_tasks_blocked();
        std::ostringstream tree;
        lowlevel::dump_tasks(tree);
        EXPECT_THAT(tree.str(), HasSubstr("receiver::receive"));
        tx.send(1);
    });
}

}  // namespace
}  // namespace tombolo::testing
