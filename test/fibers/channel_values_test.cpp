#include "test/fibers/thrown.hpp"

#include <tombolo/fibers/channel.hpp>
#include <tombolo/fibers/nursery.hpp>
#include <tombolo/testing/test.hpp>
#include <tombolo/testing/wait_all_tasks_blocked.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace tombolo::testing {
namespace {

using ::testing::ElementsAre;

TOMBOLO_TEST(channel_values, may_be_of_a_type_that_only_moves) {
    auto [tx, rx] = open_channel<std::unique_ptr<int>>(1);
    tx.send(std::make_unique<int>(1));
    auto second = std::make_unique<int>(2);
    EXPECT_FALSE(tx.try_send(std::move(second)));
    ASSERT_NE(second, nullptr) << "what was not taken is as it was";
    EXPECT_EQ(*rx.receive(), 1);
    EXPECT_TRUE(tx.try_send(std::move(second)));
    tx.close();
    std::vector<std::unique_ptr<int>> kept;
    for (auto& value : rx) kept.push_back(std::move(value));
    ASSERT_EQ(kept.size(), 1U);
    EXPECT_EQ(*kept.front(), 2);
}

struct no_default {
    explicit no_default(int of) : value(of) {}
    no_default(no_default&&) = default;
    no_default& operator=(no_default&&) = delete;
    int value;
};

TOMBOLO_TEST(channel_values, need_no_default_constructor_and_no_assignment) {
    auto [tx, rx] = open_channel<no_default>(1);
    open_nursery([&](nursery& n) {
        n.start_soon([&] {
            for (int i = 0; i < 5; ++i) tx.send(no_default(i));
            tx.close();
        });
        int expected = 0;
        EXPECT_EQ(rx.receive().value, expected++);
        for (auto& got : rx) EXPECT_EQ(got.value, expected++);
        EXPECT_EQ(expected, 5);
    });
}

struct alignas(128) over_aligned {
    int value;
};

TOMBOLO_TEST(channel_values, keep_their_alignment) {
    auto [tx, rx] = open_channel<over_aligned>(20);
    for (int i = 0; i < 20; ++i) tx.send({i});
    for (int i = 0; i < 20; ++i) {
        const over_aligned got = rx.receive();
        EXPECT_EQ(got.value, i);
        EXPECT_EQ(reinterpret_cast<std::uintptr_t>(&got) % 128, 0U);
    }
}

/// A value whose move throws when told to, and then leaves its source as it was.
struct reluctant {
    explicit reluctant(int of) : value(of) { ++alive; }
    reluctant(reluctant&& other) : value(other.value) {
        if (refusals > 0) {
            --refusals;
            throw std::runtime_error("refuses to move");
        }
        other.value = 0;
        ++alive;
    }
    reluctant(const reluctant&) = delete;
    ~reluctant() { --alive; }

    int value;
    inline static int refusals = 0;
    inline static int alive = 0;
};

struct reluctant_moves {
    reluctant_moves() { reluctant::refusals = reluctant::alive = 0; }
    ~reluctant_moves() { EXPECT_EQ(reluctant::alive, 0) << "each value is destroyed once"; }
};

/// Makes the next move throw in `call`, which has to throw that.
template <class F>
void expect_refusal(F&& call) {
    reluctant::refusals = 1;
    EXPECT_EQ(text_of<std::runtime_error>(call), "refuses to move");
    EXPECT_EQ(reluctant::refusals, 0);
}

TOMBOLO_TEST(channel_values, that_refuse_to_go_into_the_buffer_stay_with_the_sender) {
    const reluctant_moves watch;
    auto [tx, rx] = open_channel<reluctant>(2);
    reluctant value(1);
    expect_refusal([&] { tx.send(std::move(value)); });
    expect_refusal([&] { tx.try_send(std::move(value)); });
    EXPECT_EQ(value.value, 1);
    EXPECT_EQ(tx.statistics().current_buffer_used, 0U);
    tx.send(std::move(value));
    EXPECT_EQ(rx.receive().value, 1);
}

TOMBOLO_TEST(channel_values, that_refuse_to_come_out_of_the_buffer_stay_the_first) {
    const reluctant_moves watch;
    auto [tx, rx] = open_channel<reluctant>(2);
    tx.send(reluctant(1));
    tx.send(reluctant(2));
    expect_refusal([&] { rx.receive(); });
    expect_refusal([&] { rx.try_receive(); });
    EXPECT_EQ(rx.statistics().current_buffer_used, 2U);
    EXPECT_EQ(rx.receive().value, 1);
    EXPECT_EQ(rx.receive().value, 2);
}

TOMBOLO_TEST(channel_values, that_refuse_to_go_to_a_waiting_receiver_stay_with_the_sender) {
    const reluctant_moves watch;
    auto [tx, rx] = open_channel<reluctant>(0);
    int got = 0;
    open_nursery([&](nursery& n) {
        n.start_soon([&] { got = rx.receive().value; });
        wait_all_tasks_blocked();
        reluctant value(3);
        expect_refusal([&] { tx.send(std::move(value)); });
        wait_all_tasks_blocked();
        EXPECT_EQ(got, 0) << "it goes on waiting";
        tx.send(std::move(value));
    });
    EXPECT_EQ(got, 3);
}

TOMBOLO_TEST(channel_values, that_refuse_to_leave_their_sender_stay_there) {
    const reluctant_moves watch;
    auto [tx, rx] = open_channel<reluctant>(0);
    open_nursery([&](nursery& n) {
        n.start_soon([&] { tx.send(reluctant(4)); });
        wait_all_tasks_blocked();
        expect_refusal([&] { rx.receive(); });
        expect_refusal([&] { rx.try_receive(); });
        EXPECT_EQ(rx.statistics().tasks_waiting_send, 1U) << "it goes on waiting";
        EXPECT_EQ(rx.receive().value, 4);
    });
}

TOMBOLO_TEST(channel_values, that_refuse_to_move_up_into_the_buffer_are_an_error_of_their_own_sender) {
    const reluctant_moves watch;
    auto [tx, rx] = open_channel<reluctant>(1);
    tx.send(reluctant(1));
    bool told = false;
    open_nursery([&](nursery& n) {
        n.start_soon([&] {
            reluctant value(2);
            text_of<std::runtime_error>([&] { tx.send(std::move(value)); });
            EXPECT_EQ(value.value, 2);
            told = true;
        });
        wait_all_tasks_blocked();
        n.start_soon([&] { tx.send(reluctant(3)); });
        wait_all_tasks_blocked();
        reluctant::refusals = 1;
        const auto first = rx.begin();  // takes a value without moving it
        EXPECT_EQ((*first).value, 1);
        EXPECT_EQ(reluctant::refusals, 0);
        EXPECT_EQ(rx.receive().value, 3) << "the next one in line moves up";
    });
    EXPECT_TRUE(told);
}

TOMBOLO_TEST(channel_values, that_refuse_to_leave_the_receive_go_back_to_the_channel) {
    const reluctant_moves watch;
    auto [tx, rx] = open_channel<reluctant>(0);
    open_nursery([&](nursery& n) {
        n.start_soon([&] { EXPECT_EQ(text_of<std::runtime_error>([&] { rx.receive(); }), "refuses to move"); });
        wait_all_tasks_blocked();
        EXPECT_TRUE(tx.try_send(reluctant(5)));
        reluctant::refusals = 1;
        wait_all_tasks_blocked();
        EXPECT_EQ(rx.statistics().current_buffer_used, 1U) << "more than fits in, but not lost";
        EXPECT_FALSE(tx.try_send(reluctant(6)));
        EXPECT_EQ(rx.receive().value, 5);
    });
}

TOMBOLO_TEST(channel_values, that_come_back_go_to_the_next_who_waits) {
    const reluctant_moves watch;
    auto [tx, rx] = open_channel<reluctant>(0);
    int got = 0;
    open_nursery([&](nursery& n) {
        n.start_soon([&] { text_of<std::runtime_error>([&] { rx.receive(); }); });
        wait_all_tasks_blocked();
        n.start_soon([&] { got = rx.receive().value; });
        wait_all_tasks_blocked();
        EXPECT_TRUE(tx.try_send(reluctant(7)));
        reluctant::refusals = 1;
    });
    EXPECT_EQ(got, 7);
}

TOMBOLO_TEST(channel_values, that_come_back_when_everybody_has_gone_are_destroyed) {
    const reluctant_moves watch;
    auto ends = std::make_unique<channel_ends<reluctant>>(open_channel<reluctant>(0));
    open_nursery([&](nursery& n) {
        n.start_soon([&] { EXPECT_EQ(text_of<std::runtime_error>([&] { ends->rx.receive(); }), "refuses to move"); });
        wait_all_tasks_blocked();
        EXPECT_TRUE(ends->tx.try_send(reluctant(8)));
        reluctant::refusals = 1;
        ends.reset();
    });
}

TOMBOLO_TEST(channel_values, that_refuse_to_move_are_looped_over_without_moving) {
    const reluctant_moves watch;
    auto [tx, rx] = open_channel<reluctant>(3);
    for (int i = 0; i < 3; ++i) tx.send(reluctant(i));
    tx.close();
    reluctant::refusals = 1;
    std::vector<int> got;
    for (auto& value : rx) got.push_back(value.value);
    EXPECT_THAT(got, ElementsAre(0, 1, 2));
    EXPECT_EQ(reluctant::refusals, 1) << "each stays in its node";
    reluctant::refusals = 0;
}

}  // namespace
}  // namespace tombolo::testing
