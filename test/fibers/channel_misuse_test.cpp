#include "test/fibers/thrown.hpp"

#include <tombolo/fibers/cancel_scope.hpp>
#include <tombolo/fibers/channel.hpp>
#include <tombolo/fibers/no_checkpoint.hpp>
#include <tombolo/fibers/nursery.hpp>
#include <tombolo/fibers/park.hpp>
#include <tombolo/fibers/run.hpp>
#include <tombolo/fibers/timeouts.hpp>
#include <tombolo/testing/test.hpp>
#include <tombolo/testing/wait_all_tasks_blocked.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace tombolo::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

TEST(channel_misuse, with_a_negative_capacity_is_refused) {
    EXPECT_THAT(
        text_of<invalid_count>([] { static_cast<void>(open_channel<int>(-1)); }),
        AllOf(HasSubstr("open_channel"), HasSubstr("-1")));
}

template <class Capacity>
concept is_a_capacity = requires(Capacity capacity) { open_channel<int>(capacity); };
static_assert(is_a_capacity<int> && is_a_capacity<std::size_t> && !is_a_capacity<double> && !is_a_capacity<bool>);

struct call {
    std::string name;
    std::function<void(sender<int>&, receiver<int>&)> make;
};

std::vector<call> calls_that_block() {
    return {
        {"sender::send", [](sender<int>& tx, receiver<int>&) { tx.send(1); }},
        {"sender::wait_for_receiver", [](sender<int>& tx, receiver<int>&) { tx.wait_for_receiver(); }},
        {"receiver::receive", [](sender<int>&, receiver<int>& rx) { rx.receive(); }},
        {"receiver::iterator", [](sender<int>&, receiver<int>& rx) { rx.begin(); }},
    };
}

std::vector<call> calls() {
    std::vector<call> all = calls_that_block();
    all.push_back({"sender::try_send", [](sender<int>& tx, receiver<int>&) { tx.try_send(1); }});
    all.push_back({"sender::clone", [](sender<int>& tx, receiver<int>&) { tx.clone(); }});
    all.push_back({"sender::close", [](sender<int>& tx, receiver<int>&) { tx.close(); }});
    all.push_back({"receiver::try_receive", [](sender<int>&, receiver<int>& rx) { rx.try_receive(); }});
    all.push_back({"receiver::clone", [](sender<int>&, receiver<int>& rx) { rx.clone(); }});
    all.push_back({"receiver::close", [](sender<int>&, receiver<int>& rx) { rx.close(); }});
    return all;
}

void expect_unchanged(const channel_statistics& before, const sender<int>& tx) {
    const channel_statistics now = tx.statistics();
    EXPECT_EQ(now.current_buffer_used, before.current_buffer_used);
    EXPECT_EQ(now.open_senders, before.open_senders);
    EXPECT_EQ(now.open_receivers, before.open_receivers);
    EXPECT_EQ(now.tasks_waiting_send, before.tasks_waiting_send);
    EXPECT_EQ(now.tasks_waiting_receive, before.tasks_waiting_receive);
}

// The channel has something to take and room for more, or neither: so both ways through each call are tried.
TEST(channel_misuse, of_blocking_calls_outside_a_run_is_refused_and_changes_nothing) {
    for (const int values : {0, 1, 2}) {
        auto [tx, rx] = open_channel<int>(2);
        for (int i = 0; i < values; ++i) EXPECT_TRUE(tx.try_send(int{i}));
        const channel_statistics before = tx.statistics();
        for (const call& each : calls_that_block()) {
            EXPECT_THAT(text_of<not_in_run>([&] { each.make(tx, rx); }), HasSubstr(each.name)) << values;
            expect_unchanged(before, tx);
        }
    }
}

TOMBOLO_TEST(channel_misuse, of_blocking_calls_where_no_checkpoint_may_be_is_refused_and_changes_nothing) {
    for (const int values : {0, 1, 2}) {
        auto [tx, rx] = open_channel<int>(2);
        for (int i = 0; i < values; ++i) EXPECT_TRUE(tx.try_send(int{i}));
        const channel_statistics before = tx.statistics();
        const no_checkpoint section;
        for (const call& each : calls_that_block()) {
            EXPECT_THAT(text_of<checkpoint_forbidden>([&] { each.make(tx, rx); }), HasSubstr(each.name)) << values;
            expect_unchanged(before, tx);
        }
    }
}

TEST(channel_misuse, from_another_thread_is_refused_and_changes_nothing) {
    for (const int values : {0, 1, 2}) {
        auto [tx, rx] = open_channel<int>(2);
        for (int i = 0; i < values; ++i) EXPECT_TRUE(tx.try_send(int{i}));
        const channel_statistics before = tx.statistics();
        std::vector<std::string> texts;
        std::thread([&] {
            run([&] {
                for (const call& each : calls()) texts.push_back(text_of<wrong_thread>([&] { each.make(tx, rx); }));
            });
        }).join();
        ASSERT_EQ(texts.size(), calls().size());
        for (std::size_t i = 0; i < texts.size(); ++i)
            EXPECT_THAT(texts[i], AllOf(HasSubstr(calls()[i].name), HasSubstr("thread")));
        expect_unchanged(before, tx);
    }
}

TEST(channel_misuse, outside_a_run_of_what_cannot_block_is_none) {
    auto [tx, rx] = open_channel<int>(1);
    EXPECT_TRUE(tx.try_send(1));
    EXPECT_EQ(rx.clone().try_receive(), 1);
    const int got = run([&] {
        tx.send(2);
        return rx.receive();
    });
    EXPECT_EQ(got, 2) << "a channel may be opened before the run";
    EXPECT_TRUE(tx.try_send(3));
}

TOMBOLO_TEST(channel_misuse, by_rescheduling_a_task_that_waits_for_a_channel_is_told_to_that_task) {
    auto [tx, rx] = open_channel<int>(0);
    open_nursery([&](nursery& n) {
        n.start_soon(
            [&] { EXPECT_THAT(text_of<invalid_reschedule>([&] { rx.receive(); }), HasSubstr("receiver::receive")); });
        wait_all_tasks_blocked();
        lowlevel::reschedule(*n.child_tasks().front());
        wait_all_tasks_blocked();
        EXPECT_EQ(tx.statistics().tasks_waiting_receive, 0U);
        EXPECT_FALSE(tx.try_send(1));
    });
}

TOMBOLO_TEST(channel_misuse, by_nobody_who_could_ever_send_is_a_deadlock_with_a_tree) {
    mock_clock clock{{.autojump_threshold = duration::zero()}};
    std::string text;
    std::thread([&] {
        text = text_of<deadlock>([&] {
            run(
                [] {
                    auto [tx, rx] = open_channel<int>(0);
                    rx.receive();
                },
                {.clock = &clock, .detect_deadlock = true});
        });
    }).join();
    EXPECT_THAT(text, HasSubstr("receiver::receive"));
}

}  // namespace
}  // namespace tombolo::testing
