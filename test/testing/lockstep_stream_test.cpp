#include <tombolo/testing/lockstep_stream.hpp>

#include <tombolo/fibers/cancel_scope.hpp>
#include <tombolo/fibers/errors.hpp>
#include <tombolo/fibers/io_error.hpp>
#include <tombolo/fibers/nursery.hpp>
#include <tombolo/testing/test.hpp>
#include <tombolo/testing/wait_all_tasks_blocked.hpp>

#include <gtest/gtest.h>

#include <cstddef>
#include <string>
#include <utility>

namespace tombolo::testing {
namespace {

std::string receive(lockstep_receive_stream& from, std::size_t max_bytes) {
    std::string buffer(max_bytes, '\0');
    buffer.resize(from.receive_some(buffer));
    return buffer;
}

TOMBOLO_TEST(lockstep_stream, sends_until_the_last_byte_was_received) {
    auto [s, r] = lockstep_stream_one_way_pair();
    bool sent = false;
    open_nursery([&](nursery& n) {
        n.start_soon([&] {
            s.send_all("abc");
            sent = true;
        });
        wait_all_tasks_blocked();
        EXPECT_EQ(receive(r, 2), "ab");
        wait_all_tasks_blocked();
        EXPECT_FALSE(sent);
        EXPECT_EQ(receive(r, 2), "c");
        wait_all_tasks_blocked();
        EXPECT_TRUE(sent);
    });
}

TOMBOLO_TEST(lockstep_stream, has_room_when_a_task_receives) {
    auto [s, r] = lockstep_stream_one_way_pair();
    bool has_room = false;
    open_nursery([&](nursery& n) {
        n.start_soon([&] {
            s.wait_send_all_might_not_block();
            has_room = true;
            s.send_all("x");
        });
        wait_all_tasks_blocked();
        EXPECT_FALSE(has_room);
        EXPECT_EQ(receive(r, 1), "x");
        EXPECT_TRUE(has_room);
    });
}

TOMBOLO_TEST(lockstep_stream, withdraws_what_a_cancelled_send_has_not_got_rid_of) {
    auto [s, r] = lockstep_stream_one_way_pair();
    cancel_scope sending;
    open_nursery([&](nursery& n) {
        n.start_soon([&] { EXPECT_FALSE(sending.run([&] { s.send_all("abc"); })); });
        wait_all_tasks_blocked();
        EXPECT_EQ(receive(r, 1), "a");
        wait_all_tasks_blocked();
        sending.cancel();
    });
    open_nursery([&](nursery& n) {
        n.start_soon([&] { s.send_all("z"); });
        EXPECT_EQ(receive(r, 10), "z");
    });
}

TOMBOLO_TEST(lockstep_stream, has_sent_all_when_the_receiver_closes_after_the_last_byte) {
    auto [s, r] = lockstep_stream_one_way_pair();
    open_nursery([&](nursery& n) {
        n.start_soon([&] { s.send_all("abc"); });
        wait_all_tasks_blocked();
        EXPECT_EQ(receive(r, 10), "abc");
        r.close();
    });
    EXPECT_THROW(s.send_all("d"), broken_stream);
}

TOMBOLO_TEST(lockstep_stream, has_sent_nothing_when_the_receiver_closes_instead) {
    auto [s, r] = lockstep_stream_one_way_pair();
    open_nursery([&](nursery& n) {
        n.start_soon([&] { EXPECT_THROW(s.send_all("abc"), broken_stream); });
        wait_all_tasks_blocked();
        r.close();
    });
}

TOMBOLO_TEST(lockstep_stream, outlives_the_move_of_its_ends) {
    auto ends = lockstep_stream_pair();
    lockstep_stream near = std::move(ends.first);
    open_nursery([&](nursery& n) {
        n.start_soon([&] { near.send_all("x"); });
        std::string buffer(1, '\0');
        EXPECT_EQ(ends.second.receive_some(buffer), 1U);
    });
    EXPECT_THROW(ends.first.send_all("x"), closed_resource);
}

}  // namespace
}  // namespace tombolo::testing
