#include <tombolo/testing/memory_stream.hpp>

#include "test/fibers/thrown.hpp"

#include <tombolo/fibers/cancel_scope.hpp>
#include <tombolo/fibers/checkpoint.hpp>
#include <tombolo/fibers/errors.hpp>
#include <tombolo/fibers/event.hpp>
#include <tombolo/fibers/io_error.hpp>
#include <tombolo/fibers/nursery.hpp>
#include <tombolo/testing/test.hpp>
#include <tombolo/testing/wait_all_tasks_blocked.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <exception>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

namespace tombolo::testing {
namespace {

using ::testing::Optional;

std::string receive(memory_receive_stream& from, std::size_t max_bytes = 100) {
    std::string buffer(max_bytes, '\0');
    buffer.resize(from.receive_some(buffer));
    return buffer;
}

/// Whether a nursery throws a group of nothing but busy_resource.
bool is_busy(const std::function<void()>& nursery) {
    const std::exception_ptr error = thrown_by(nursery);
    if (!holds<exception_group>(error)) return false;
    return std::ranges::all_of(group_in(error).leaves(), [](const auto& leaf) { return holds<busy_resource>(leaf); });
}

TOMBOLO_TEST(memory_send_stream, keeps_what_was_sent_until_it_is_taken) {
    memory_send_stream s;
    EXPECT_EQ(s.try_get_data(), std::nullopt);
    s.send_all("123");
    s.send_all("45");
    EXPECT_THAT(s.try_get_data(2), Optional(std::string("12")));
    EXPECT_EQ(s.get_data(), "345");
    EXPECT_EQ(s.try_get_data(), std::nullopt);
    s.close();
    EXPECT_THAT(s.try_get_data(), Optional(std::string()));
    EXPECT_EQ(s.get_data(), "");
}

TOMBOLO_TEST(memory_send_stream, wakes_who_waits_for_data) {
    memory_send_stream s;
    std::string got;
    open_nursery([&](nursery& n) {
        n.start_soon([&] {
            got += s.get_data();
            got += s.get_data() + ".";
        });
        wait_all_tasks_blocked();
        s.send_all({});
        wait_all_tasks_blocked();
        EXPECT_EQ(got, "");
        s.send_all("abc");
        wait_all_tasks_blocked();
        EXPECT_EQ(got, "abc");
        s.close();
    });
    EXPECT_EQ(got, "abc.");
}

TOMBOLO_TEST(memory_send_stream, calls_its_hooks_in_the_calling_task_after_its_work) {
    std::string calls;
    memory_send_stream s;
    s.send_all_hook = [&] {
        checkpoint();
        calls += "send " + s.try_get_data().value_or("nothing") + ", ";
    };
    s.wait_send_all_might_not_block_hook = [&] { calls += "wait, "; };
    s.close_hook = [&] { calls += "close"; };
    s.send_all("1");
    s.wait_send_all_might_not_block();
    s.aclose();
    EXPECT_EQ(calls, "send 1, wait, close");
}

TOMBOLO_TEST(memory_send_stream, throws_what_its_hook_throws_and_can_be_used_again) {
    memory_send_stream s;
    s.send_all_hook = [] { throw std::runtime_error("no"); };
    EXPECT_THROW(s.send_all("1"), std::runtime_error);
    s.send_all_hook = nullptr;
    s.send_all("2");
    EXPECT_EQ(s.get_data(), "12");
}

TOMBOLO_TEST(memory_send_stream, catches_a_second_task_although_it_never_has_to_wait) {
    memory_send_stream s;
    const auto in_two_tasks = [&](auto first, auto second) {
        open_nursery([&](nursery& n) {
            n.start_soon(first);
            n.start_soon(second);
        });
    };
    const auto send = [&] { s.send_all("x"); };
    const auto wait = [&] { s.wait_send_all_might_not_block(); };
    EXPECT_TRUE(is_busy([&] { in_two_tasks(send, send); }));
    EXPECT_TRUE(is_busy([&] { in_two_tasks(send, wait); }));
    EXPECT_TRUE(is_busy([&] { in_two_tasks(wait, wait); }));
    send();
}

TOMBOLO_TEST(memory_send_stream, lets_one_task_at_a_time_take_data) {
    memory_send_stream s;
    cancel_scope waiting;
    open_nursery([&](nursery& n) {
        n.start_soon([&] { waiting.run([&] { s.get_data(); }); });
        wait_all_tasks_blocked();
        EXPECT_THROW(s.get_data(), busy_resource);
        EXPECT_THROW(s.try_get_data(), busy_resource);
        waiting.cancel();
    });
    s.send_all("kept");
    EXPECT_EQ(s.get_data(), "kept");
}

TOMBOLO_TEST(memory_send_stream, refuses_to_take_no_bytes_at_all) {
    memory_send_stream s;
    EXPECT_THROW(s.get_data(0), invalid_count);
    EXPECT_THROW(s.try_get_data(0), invalid_count);
}

TOMBOLO_TEST(memory_send_stream, is_closed_when_it_was_moved_from) {
    memory_send_stream s;
    memory_send_stream t = std::move(s);
    EXPECT_THROW(s.send_all("x"), closed_resource);  // NOLINT(bugprone-use-after-move)
    t.send_all("x");
    t = memory_send_stream();
    EXPECT_EQ(t.try_get_data(), std::nullopt);
}

TOMBOLO_TEST(memory_receive_stream, gives_what_is_put_into_it) {
    memory_receive_stream r;
    r.put_data("12");
    r.put_data("345");
    EXPECT_EQ(receive(r, 3), "123");
    EXPECT_EQ(receive(r), "45");
    r.put_data("6");
    r.put_eof();
    EXPECT_EQ(receive(r), "6");
    EXPECT_EQ(receive(r), "");
    EXPECT_EQ(receive(r), "");
    EXPECT_THROW(r.put_data("7"), closed_resource);
}

TOMBOLO_TEST(memory_receive_stream, calls_its_hook_before_it_looks_for_bytes) {
    memory_receive_stream r;
    int calls = 0;
    r.receive_some_hook = [&] {
        checkpoint();
        r.put_data(std::to_string(++calls));
    };
    EXPECT_EQ(receive(r), "1");
    EXPECT_EQ(receive(r), "2");
    bool closed = false;
    r.close_hook = [&] { closed = true; };
    r.aclose();
    EXPECT_TRUE(closed);
}

TOMBOLO_TEST(memory_receive_stream, notices_that_its_hook_closes_it) {
    memory_receive_stream r;
    r.receive_some_hook = [&] { r.close(); };
    EXPECT_THROW(receive(r), closed_resource);
    EXPECT_THROW(r.put_data("x"), closed_resource);
}

TOMBOLO_TEST(memory_receive_stream, wakes_who_waits_when_it_is_closed) {
    memory_receive_stream r;
    open_nursery([&](nursery& n) {
        n.start_soon([&] { EXPECT_THROW(receive(r), closed_resource); });
        wait_all_tasks_blocked();
        r.close();
    });
}

TOMBOLO_TEST(memory_stream_pump, carries_as_much_as_it_is_told) {
    memory_send_stream s;
    memory_receive_stream r;
    EXPECT_FALSE(memory_stream_pump(s, r));
    s.send_all("123456");
    EXPECT_TRUE(memory_stream_pump(s, r, 2));
    EXPECT_EQ(receive(r), "12");
    EXPECT_TRUE(memory_stream_pump(s, r));
    EXPECT_EQ(receive(r), "3456");
    EXPECT_FALSE(memory_stream_pump(s, r));
    EXPECT_THROW(memory_stream_pump(s, r, 0), invalid_count);
    s.close();
    EXPECT_TRUE(memory_stream_pump(s, r));
    EXPECT_EQ(receive(r), "");
}

TOMBOLO_TEST(memory_stream_pump, breaks_when_the_receiver_is_closed) {
    memory_send_stream s;
    memory_receive_stream r;
    s.send_all("1");
    r.close();
    EXPECT_THROW(memory_stream_pump(s, r), broken_stream);
}

TOMBOLO_TEST(memory_stream_pair, is_connected_in_both_directions_also_when_its_ends_move) {
    std::pair<memory_stream, memory_stream> ends = memory_stream_pair();
    memory_stream near = std::move(ends.first);
    memory_stream far = std::move(ends.second);
    std::string buffer(10, '\0');
    near.send_all("there");
    EXPECT_EQ(far.receive_some(buffer), 5U);
    far.send_all("back!");
    EXPECT_EQ(near.receive_some(buffer), 5U);
    EXPECT_EQ(buffer.substr(0, 5), "back!");
    near.send_eof();
    EXPECT_EQ(far.receive_some(buffer), 0U);
    EXPECT_THROW(near.send_all("more"), closed_resource);
}

TOMBOLO_TEST(memory_stream_pair, drops_what_is_left_when_it_closes_behind_the_receivers_end) {
    auto [sender, receiver] = memory_stream_one_way_pair();
    sender.send_all_hook = nullptr;
    sender.send_all("left");
    receiver.put_eof();
    sender.close();
    EXPECT_EQ(receive(receiver), "");
}

TOMBOLO_TEST(memory_stream_pair, can_be_carried_by_hand) {
    auto [near, far] = memory_stream_pair();
    near.send_part().send_all_hook = nullptr;
    near.send_all("slow");
    memory_stream_pump(near.send_part(), far.receive_part(), 1);
    std::string buffer(10, '\0');
    EXPECT_EQ(far.receive_some(buffer), 1U);
    memory_stream_pump(near.send_part(), far.receive_part());
    EXPECT_EQ(far.receive_some(buffer), 3U);
}

}  // namespace
}  // namespace tombolo::testing
