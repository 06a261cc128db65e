#include "test/fibers/thrown.hpp"

#include <tombolo/fibers/channel.hpp>
#include <tombolo/fibers/nursery.hpp>
#include <tombolo/fibers/timeouts.hpp>
#include <tombolo/testing/test.hpp>
#include <tombolo/testing/wait_all_tasks_blocked.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace tombolo::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

/// What `call` throws once it waits and `wake` has been called.
template <class Error>
std::string text_after(const std::function<void()>& call, const std::function<void()>& wake) {
    std::string text;
    open_nursery([&](nursery& n) {
        n.start_soon([&] { text = text_of<Error>(call); });
        wait_all_tasks_blocked();
        EXPECT_EQ(text, "") << "it waits";
        wake();
    });
    return text;
}

// case 74
TOMBOLO_TEST(channel_close, ends_the_channel_for_receivers_with_the_last_sender) {
    auto [tx, rx] = open_channel<int>(2);
    auto tx2 = tx.clone();
    tx.send(1);
    tx2.send(2);
    tx.close();
    EXPECT_EQ(rx.receive(), 1);
    tx2.close();
    EXPECT_EQ(rx.receive(), 2) << "what was sent can still be received";
    EXPECT_THAT(text_of<end_of_channel>([&] { rx.receive(); }), HasSubstr("receiver::receive"));
    EXPECT_THAT(text_of<end_of_channel>([&] { rx.try_receive(); }), HasSubstr("receiver::try_receive"));
}

// case 74
TOMBOLO_TEST(channel_close, of_the_last_sender_wakes_those_who_wait_in_a_receive) {
    auto [tx, rx] = open_channel<int>(0);
    EXPECT_THAT(
        text_after<end_of_channel>([&] { rx.receive(); }, [&] { tx.close(); }),
        AllOf(HasSubstr("receiver::receive"), HasSubstr("all senders are closed")));
}

// case 74
TOMBOLO_TEST(channel_close, of_the_last_receiver_breaks_the_channel_for_senders) {
    auto [tx, rx] = open_channel<int>(0);
    auto rx2 = rx.clone();
    rx.close();
    EXPECT_FALSE(tx.try_send(1)) << "one is left";
    EXPECT_THAT(text_after<broken_resource>([&] { tx.send(1); }, [&] { rx2.close(); }), HasSubstr("sender::send"));
    EXPECT_THAT(text_of<broken_resource>([&] { tx.send(1); }), HasSubstr("no receiver is open"));
    EXPECT_THAT(text_of<broken_resource>([&] { tx.try_send(1); }), HasSubstr("sender::try_send"));
    EXPECT_THAT(text_of<broken_resource>([&] { tx.wait_for_receiver(); }), HasSubstr("wait_for_receiver"));
}

TOMBOLO_TEST(channel_close, wakes_senders_that_only_wait_for_a_receiver) {
    {
        auto [tx, rx] = open_channel<int>(0);
        text_after<broken_resource>([&] { tx.wait_for_receiver(); }, [&] { rx.close(); });
    }
    auto [tx, rx] = open_channel<int>(0);
    text_after<closed_resource>([&] { tx.wait_for_receiver(); }, [&] { tx.close(); });
}

// case 74
TOMBOLO_TEST(channel_close, refuses_what_is_done_with_a_closed_handle) {
    auto [tx, rx] = open_channel<int>(1);
    auto keep = tx.clone();
    auto keep2 = rx.clone();
    keep.send(1);
    tx.close();
    rx.close();
    EXPECT_FALSE(tx.is_open());
    EXPECT_FALSE(rx.is_open());
    EXPECT_THAT(text_of<closed_resource>([&] { tx.send(2); }), AllOf(HasSubstr("sender::send"), HasSubstr("closed")));
    EXPECT_THAT(text_of<closed_resource>([&] { tx.try_send(2); }), HasSubstr("sender::try_send"));
    EXPECT_THAT(text_of<closed_resource>([&] { tx.clone(); }), HasSubstr("sender::clone"));
    EXPECT_THAT(text_of<closed_resource>([&] { tx.wait_for_receiver(); }), HasSubstr("sender::wait_for_receiver"));
    EXPECT_THAT(text_of<closed_resource>([&] { rx.receive(); }), HasSubstr("receiver::receive"));
    EXPECT_THAT(text_of<closed_resource>([&] { rx.try_receive(); }), HasSubstr("receiver::try_receive"));
    EXPECT_THAT(text_of<closed_resource>([&] { rx.clone(); }), HasSubstr("receiver::clone"));
    EXPECT_THAT(text_of<closed_resource>([&] { rx.begin(); }), HasSubstr("receiver::iterator"));
    EXPECT_EQ(keep2.receive(), 1) << "nothing has changed";
}

TOMBOLO_TEST(channel_close, may_be_called_again_and_on_handles_that_were_moved_from) {
    auto [tx, rx] = open_channel<int>(1);
    auto keep = tx.clone();
    tx.close();
    tx.close();
    EXPECT_EQ(rx.statistics().open_senders, 1U);
    auto moved = std::move(keep);
    keep.close();
    EXPECT_EQ(rx.statistics().open_senders, 1U);
    EXPECT_FALSE(keep.is_open());
    EXPECT_EQ(keep.statistics().open_senders, 0U);
    EXPECT_THAT(text_of<closed_resource>([&] { keep.send(1); }), HasSubstr("moved from"));
    moved = moved.clone();
    EXPECT_EQ(rx.statistics().open_senders, 1U) << "assignment closes what it replaces";
    rx.close();
    rx.close();
    EXPECT_EQ(moved.statistics().open_receivers, 0U);
}

TOMBOLO_TEST(channel_close, happens_when_the_handle_goes) {
    std::optional<receiver<int>> left;
    {
        auto [tx, rx] = open_channel<int>(1);
        tx.send(1);
        left = std::move(rx);
    }
    EXPECT_EQ(left->receive(), 1);
    text_of<end_of_channel>([&] { left->receive(); });
}

// case 74
TOMBOLO_TEST(channel_close, of_one_handle_wakes_only_those_who_wait_in_it) {
    auto [tx, rx] = open_channel<int>(0);
    auto tx2 = tx.clone();
    std::vector<std::string> ended;
    open_nursery([&](nursery& n) {
        for (int i = 0; i < 2; ++i)
            n.start_soon([&] {
                EXPECT_THAT(text_of<closed_resource>([&] { tx.send(1); }), HasSubstr("during the wait"));
                ended.emplace_back("closed");
            });
        n.start_soon([&] {
            tx2.send(2);
            ended.emplace_back("sent");
        });
        wait_all_tasks_blocked();
        EXPECT_EQ(rx.statistics().tasks_waiting_send, 3U);
        tx.close();
        EXPECT_EQ(rx.statistics().tasks_waiting_send, 1U);
        wait_all_tasks_blocked();
        EXPECT_EQ(ended.size(), 2U);
        EXPECT_EQ(rx.receive(), 2);
    });
    EXPECT_EQ(ended.size(), 3U);
}

// case 74
TOMBOLO_TEST(channel_close, of_one_receiver_wakes_only_those_who_wait_in_it) {
    auto [tx, rx] = open_channel<int>(0);
    auto rx2 = rx.clone();
    int got = 0;
    open_nursery([&](nursery& n) {
        n.start_soon([&] { text_of<closed_resource>([&] { rx.receive(); }); });
        n.start_soon([&] { got = rx2.receive(); });
        wait_all_tasks_blocked();
        rx.close();
        EXPECT_EQ(tx.statistics().tasks_waiting_receive, 1U);
        tx.send(5);
    });
    EXPECT_EQ(got, 5);
}

TOMBOLO_TEST(channel_close, by_destruction_wakes_those_who_wait_in_that_very_handle) {
    auto [tx, rx] = open_channel<int>(0);
    auto waiting = std::make_unique<receiver<int>>(std::move(rx));
    EXPECT_THAT(
        text_after<closed_resource>([&] { waiting->receive(); }, [&] { waiting.reset(); }),
        HasSubstr("during the wait"));
    text_of<broken_resource>([&] { tx.send(1); });

    auto [tx2, rx2] = open_channel<int>(0);
    auto full = std::make_unique<sender<int>>(std::move(tx2));
    text_after<closed_resource>([&] { full->send(1); }, [&] { full.reset(); });
    text_of<end_of_channel>([&] { rx2.receive(); });
}

TOMBOLO_TEST(channel_close, of_all_handles_at_once_ends_every_wait) {
    auto ends = std::make_unique<channel_ends<int>>(open_channel<int>(0));
    text_after<closed_resource>([&] { ends->rx.receive(); }, [&] { ends.reset(); });
    ends = std::make_unique<channel_ends<int>>(open_channel<int>(0));
    text_after<broken_resource>([&] { ends->tx.send(1); }, [&] { ends.reset(); });
}

TOMBOLO_TEST(channel_close, leaves_a_wait_alone_whose_handle_moves) {
    auto [tx, rx] = open_channel<int>(0);
    int got = 0;
    open_nursery([&](nursery& n) {
        n.start_soon([&] { got = rx.receive(); });
        wait_all_tasks_blocked();
        receiver<int> moved = std::move(rx);
        tx.send(3);
        EXPECT_TRUE(moved.is_open());
    });
    EXPECT_EQ(got, 3);
}

/// Tells when it goes.
struct witness {
    explicit witness(std::function<void()> tell) : told(std::move(tell)) {}
    witness(witness&& other) noexcept : told(std::exchange(other.told, nullptr)) {}
    witness& operator=(witness&&) = delete;
    ~witness() {
        if (told) told();
    }
    std::function<void()> told;
};

// case 74
TOMBOLO_TEST(channel_close, of_the_last_receiver_destroys_what_was_sent) {
    auto [tx, rx] = open_channel<witness>(3);
    int destroyed = 0;
    for (int i = 0; i < 3; ++i) tx.send(witness([&] { ++destroyed; }));
    rx.close();
    EXPECT_EQ(destroyed, 3);
    EXPECT_EQ(tx.statistics().current_buffer_used, 0U);
    EXPECT_EQ(tx.statistics().peak_buffer_used, 3U);
}

TOMBOLO_TEST(channel_close, lets_the_destructors_of_values_use_the_channel) {
    auto [tx, rx] = open_channel<witness>(3);
    std::vector<std::string> seen;
    for (int i = 0; i < 3; ++i)
        tx.send(witness([&] {
            EXPECT_EQ(tx.statistics().current_buffer_used, 0U) << "they are out of the channel by then";
            seen.push_back(text_of<broken_resource>([&] { tx.try_send(witness([] {})); }));
            rx.close();
            if (seen.size() == 2) tx.close();
            if (seen.size() == 2) tx = open_channel<witness>(0).tx;
        }));
    rx.close();
    EXPECT_EQ(seen.size(), 3U);
}

TOMBOLO_TEST(channel_close, frees_a_channel_that_carries_its_own_handles) {
    struct parcel {
        std::optional<sender<std::shared_ptr<parcel>>> tx;
        std::shared_ptr<int> alive;
    };
    const auto alive = std::make_shared<int>(0);
    {
        auto [tx, rx] = open_channel<std::shared_ptr<parcel>>(2);
        tx.send(std::make_shared<parcel>(parcel{tx.clone(), alive}));
        tx.close();
        EXPECT_EQ(alive.use_count(), 2);
    }
    EXPECT_EQ(alive.use_count(), 1) << "the buffered value kept a sender, and went with the last receiver";
}

}  // namespace
}  // namespace tombolo::testing
