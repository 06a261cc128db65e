#include <tombolo/fibers/net/socket.hpp>

#include "test/support/received.hpp"

#include <tombolo/fibers/cancel_scope.hpp>
#include <tombolo/fibers/checkpoint.hpp>
#include <tombolo/fibers/nursery.hpp>
#include <tombolo/fibers/statistics.hpp>
#include <tombolo/testing/checkpoints.hpp>
#include <tombolo/testing/test.hpp>
#include <tombolo/testing/wait_all_tasks_blocked.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

namespace tombolo::testing {
namespace {

using net::endpoint;
using net::family;
using net::socket;
using net::socket_type;
using ::testing::HasSubstr;

socket listening() {
    socket out(family::ipv4, socket_type::stream);
    out.bind(endpoint::loopback(family::ipv4, 0));
    out.listen();
    return out;
}

std::pair<socket, socket> connected_pair() {
    socket listener = listening();
    socket client(family::ipv4, socket_type::stream);
    client.connect(listener.local_endpoint());
    return {std::move(client), listener.accept().socket};
}

int number_of(const std::function<void()>& f) {
    try {
        f();
    } catch (const io_error& error) {
        return error.number();
    }
    return 0;
}

TOMBOLO_TEST(socket, connects_accepts_and_moves_bytes_both_ways) {
    socket listener = listening();
    socket client(family::ipv4, socket_type::stream);
    client.connect(listener.local_endpoint());
    auto [server, from] = listener.accept();
    EXPECT_EQ(from, client.local_endpoint());
    EXPECT_EQ(server.local_endpoint(), client.remote_endpoint());
    EXPECT_EQ(client.send("there"), 5u);
    EXPECT_EQ(received(server), "there");
    server.send("back");
    EXPECT_EQ(received(client), "back");
    client.close();
    EXPECT_EQ(received(server), "");
}

TOMBOLO_TEST(socket, waits_for_bytes_while_other_tasks_run) {
    auto [left, right] = socket::pair();
    std::string got;
    open_nursery([&](nursery& n) {
        n.start_soon([&] { got = received(right); });
        wait_all_tasks_blocked();
        EXPECT_EQ(got, "");
        left.send("late");
    });
    EXPECT_EQ(got, "late");
}

TOMBOLO_TEST(socket, goes_on_waiting_after_a_short_read_until_more_comes) {
    auto [left, right] = socket::pair();
    std::vector<std::string> got;
    open_nursery([&](nursery& n) {
        n.start_soon([&] {
            for (std::string some = received(right); !some.empty(); some = received(right)) got.push_back(some);
        });
        for (const char* text : {"one", "two", "three"}) {
            wait_all_tasks_blocked();
            left.send(text);
        }
        wait_all_tasks_blocked();
        left.shutdown(net::shutdown_side::send);
    });
    EXPECT_THAT(got, ::testing::ElementsAre("one", "two", "three"));
}

TOMBOLO_TEST(socket, sees_the_end_that_came_together_with_the_last_bytes) {
    auto [left, right] = socket::pair();
    open_nursery([&](nursery& n) {
        n.start_soon([&] {
            EXPECT_EQ(received(right), "first");
            EXPECT_EQ(received(right), "last");
            EXPECT_EQ(received(right), "");
            EXPECT_EQ(received(right), "");
        });
        wait_all_tasks_blocked();
        left.send("first");
        wait_all_tasks_blocked();
        left.send("last");
        left.close();
    });
}

TOMBOLO_TEST(socket, sends_more_than_there_is_room_for_as_room_comes) {
    auto [left, right] = socket::pair();
    const std::string sent(3'000'000, 'x');
    std::size_t got = 0;
    open_nursery([&](nursery& n) {
        n.start_soon([&] {
            for (const_bytes rest = sent; !rest.empty();) rest = rest.from(left.send(rest));
            left.close();
        });
        for (std::string some = received(right, 70'000); !some.empty(); some = received(right, 70'000))
            got += some.size();
    });
    EXPECT_EQ(got, sent.size());
}

TOMBOLO_TEST(socket, refuses_a_second_task_in_the_same_direction) {
    auto [left, right] = socket::pair();
    open_nursery([&](nursery& n) {
        n.start_soon([&] { EXPECT_EQ(received(right), "x"); }, {.name = "first"});
        wait_all_tasks_blocked();
        try {
            received(right);
            ADD_FAILURE() << "a second receiver was let in";
        } catch (const busy_resource& busy) {
            EXPECT_THAT(busy.what(), HasSubstr("task \"first\" already waits"));
        }
        left.send("x");
    });
}

TOMBOLO_TEST(socket, wakes_those_who_wait_when_it_is_closed) {
    auto [left, right] = socket::pair();
    int refused = 0;
    open_nursery([&](nursery& n) {
        n.start_soon([&] {
            EXPECT_THROW(received(right), closed_resource);
            ++refused;
        });
        n.start_soon([&] {
            const std::string much(10'000'000, 'x');
            EXPECT_THROW(for (;;) right.send(much), closed_resource);
            ++refused;
        });
        wait_all_tasks_blocked();
        right.close();
    });
    EXPECT_EQ(refused, 2);
    EXPECT_THROW(received(right), closed_resource);
    EXPECT_THROW(right.send("x"), closed_resource);
    EXPECT_THROW(static_cast<void>(right.local_endpoint()), closed_resource);
    right.close();
}

TOMBOLO_TEST(socket, a_task_that_was_woken_just_before_the_close_does_not_touch_the_next_descriptor) {
    auto [left, right] = socket::pair();
    std::optional<std::pair<socket, socket>> next;
    open_nursery([&](nursery& n) {
        n.start_soon([&] { EXPECT_THROW(received(right), closed_resource); });
        wait_all_tasks_blocked();
        const int number = right.fd();
        ASSERT_EQ(::send(left.fd(), "x", 1, 0), 1);
        // Whether the reader is runnable already or not, its descriptor's number goes to somebody else.
        right.close();
        next.emplace(socket::pair());
        next->second.send("not for it");
        EXPECT_EQ(next->first.fd(), number);
    });
    EXPECT_EQ(received(next->first), "not for it");
}

TOMBOLO_TEST(socket, a_cancelled_receive_has_taken_nothing) {
    auto [left, right] = socket::pair();
    cancel_scope scope;
    open_nursery([&](nursery& n) {
        n.start_soon([&] { EXPECT_FALSE(scope.run([&] { received(right); })); });
        wait_all_tasks_blocked();
        scope.cancel();
        left.send("kept");
    });
    EXPECT_EQ(received(right), "kept");
}

TOMBOLO_TEST(socket, a_cancelled_connect_closes_the_socket) {
    // A full backlog makes a connection wait.
    socket listener(family::ipv4, socket_type::stream);
    listener.bind(endpoint::loopback(family::ipv4, 0));
    listener.listen(0);
    socket first(family::ipv4, socket_type::stream);
    first.connect(listener.local_endpoint());
    socket waiting(family::ipv4, socket_type::stream);
    cancel_scope scope;
    open_nursery([&](nursery& n) {
        n.start_soon([&] { EXPECT_FALSE(scope.run([&] { waiting.connect(listener.local_endpoint()); })); });
        wait_all_tasks_blocked();
        EXPECT_TRUE(waiting.is_open());
        scope.cancel();
    });
    EXPECT_FALSE(waiting.is_open());
}

TOMBOLO_TEST(socket, a_connect_that_is_cancelled_before_it_begins_closes_the_socket_too) {
    socket unused(family::ipv4, socket_type::stream);
    cancel_scope scope;
    scope.cancel();
    EXPECT_FALSE(scope.run([&] { unused.connect(endpoint::loopback(family::ipv4, 9)); }));
    EXPECT_FALSE(unused.is_open());
}

TOMBOLO_TEST(socket, a_datagram_of_too_many_buffers_is_refused_whole) {
    auto [left, right] = socket::pair(socket_type::datagram);
    const std::vector<const_bytes> many(65, const_bytes("x"));
    EXPECT_THROW(left.send_message(many), invalid_count);
    EXPECT_FALSE(right.is_readable());
    EXPECT_EQ(left.send_message(std::span(many).first(64)), 64u);
}

TOMBOLO_TEST(socket, a_refused_connection_names_its_endpoint) {
    endpoint nobody;
    {
        socket listener = listening();
        nobody = listener.local_endpoint();
    }
    socket client(family::ipv4, socket_type::stream);
    try {
        client.connect(nobody);
        ADD_FAILURE() << "connected to nobody";
    } catch (const io_error& error) {
        EXPECT_EQ(error.number(), ECONNREFUSED);
        EXPECT_THAT(error.what(), HasSubstr(nobody.to_string()));
    }
}

TOMBOLO_TEST(socket, a_reset_connection_says_so_to_reader_and_writer) {
    auto [client, server] = connected_pair();
    server.set_option(SOL_SOCKET, SO_LINGER, const_bytes("\1\0\0\0\0\0\0\0", 8));
    open_nursery([&, &client = client, &server = server](nursery& n) {
        n.start_soon([&] { EXPECT_EQ(number_of([&] { received(client); }), ECONNRESET); });
        wait_all_tasks_blocked();
        server.close();
    });
    EXPECT_EQ(number_of([&, &client = client] { client.send("x"); }), EPIPE);
}

TOMBOLO_TEST(socket, datagrams_carry_their_sender_and_say_when_they_were_cut) {
    socket left(family::ipv4, socket_type::datagram), right(family::ipv4, socket_type::datagram);
    left.bind(endpoint::loopback(family::ipv4, 0));
    right.bind(endpoint::loopback(family::ipv4, 0));
    left.send_to("a datagram", right.local_endpoint());
    std::string buffer(4, '\0');
    net::received_from got = right.receive_from(buffer);
    EXPECT_EQ(buffer, "a da");
    EXPECT_TRUE(got.truncated);
    EXPECT_EQ(got.from, left.local_endpoint());
    left.send_to("", right.local_endpoint());
    got = right.receive_from(buffer);
    EXPECT_EQ(got.count, 0u);
    EXPECT_FALSE(got.truncated);
}

TOMBOLO_TEST(socket, messages_go_from_and_into_several_buffers_with_ancillary_data) {
    auto [left, right] = socket::pair();
    int ends[2];
    ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    unique_fd read_end(ends[0]), write_end(ends[1]);
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
    auto* header = reinterpret_cast<cmsghdr*>(control.data());
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(header), &ends[1], sizeof(int));
    const std::array<const_bytes, 2> parts{"take ", "this"};
    EXPECT_EQ(left.send_message(parts, {}, control), 9u);

    std::string first(4, '\0'), second(9, '\0');
    const std::array<mutable_bytes, 2> into{first, second};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> brought{};
    const net::received_from got = right.receive_message(into, brought);
    EXPECT_EQ(got.count, 9u);
    EXPECT_EQ(first + second.substr(0, 5), "take this");
    ASSERT_EQ(got.control_size, CMSG_SPACE(sizeof(int)));
    int passed = -1;
    std::memcpy(&passed, CMSG_DATA(reinterpret_cast<cmsghdr*>(brought.data())), sizeof(int));
    unique_fd copy(passed);
    EXPECT_NE(::fcntl(passed, F_GETFD) & FD_CLOEXEC, 0);
    ASSERT_EQ(::write(passed, "!", 1), 1);
    char one = 0;
    EXPECT_EQ(::read(read_end.get(), &one, 1), 1);
}

TOMBOLO_TEST(socket, try_calls_never_wait) {
    auto [left, right] = socket::pair();
    std::string buffer(10, '\0');
    assert_no_checkpoints([&, &left = left, &right = right] {
        EXPECT_EQ(right.try_receive(buffer), std::nullopt);
        EXPECT_EQ(left.try_send("abc"), 3u);
        EXPECT_EQ(right.try_receive(buffer), 3u);
        const std::string much(1'000'000, 'x');
        while (left.try_send(much)) {}
    });
}

TOMBOLO_TEST(socket, counts_among_the_waiting_tasks_of_the_run) {
    auto [left, right] = socket::pair();
    const auto before = lowlevel::current_statistics().io;
    open_nursery([&, &left = left, &right = right](nursery& n) {
        n.start_soon([&] { received(right); });
        wait_all_tasks_blocked();
        EXPECT_EQ(lowlevel::current_statistics().io.tasks_waiting_read, before.tasks_waiting_read + 1);
        left.send("x");
    });
    EXPECT_EQ(lowlevel::current_statistics().io.tasks_waiting_read, before.tasks_waiting_read);
}

}  // namespace
}  // namespace tombolo::testing
