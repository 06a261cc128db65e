#include <tombolo/fibers/net/udp_socket.hpp>

#include "test/support/loopback.hpp"
#include "test/support/open_descriptors.hpp"

#include <tombolo/fibers/errors.hpp>
#include <tombolo/fibers/io_error.hpp>
#include <tombolo/fibers/nursery.hpp>
#include <tombolo/testing/test.hpp>
#include <tombolo/testing/wait_all_tasks_blocked.hpp>

#include <gtest/gtest.h>

#include <array>
#include <cerrno>
#include <string>
#include <string_view>
#include <utility>

#include <net/if.h>
#include <sys/socket.h>

namespace tombolo::testing {
namespace {

using net::udp_socket;

udp_socket bound_socket() {
    udp_socket socket(net::family::ipv4);
    socket.bind({"127.0.0.1", 0});
    return socket;
}

struct datagram {
    std::string text;
    net::endpoint from;
    bool truncated;
};

datagram receive_from(udp_socket& socket) {
    std::array<char, 10> buffer;
    const net::received_from got = socket.receive_from(buffer);
    return {std::string(buffer.data(), got.count), got.from, got.truncated};
}

TOMBOLO_TEST(udp_socket, sends_to_anybody_and_says_who_has_sent) {
    const descriptor_check check;
    udp_socket left = bound_socket();
    udp_socket right = bound_socket();
    left.send_to("hello", right.local_endpoint());
    const datagram got = receive_from(right);
    EXPECT_EQ(got.text, "hello");
    EXPECT_EQ(got.from, left.local_endpoint());
    EXPECT_FALSE(got.truncated);
}

TOMBOLO_TEST(udp_socket, keeps_the_borders_of_datagrams_and_empty_ones) {
    udp_socket left = bound_socket();
    udp_socket right = bound_socket();
    left.send_to("one", right.local_endpoint());
    left.send_to("", right.local_endpoint());
    left.send_to("three", right.local_endpoint());
    EXPECT_EQ(receive_from(right).text, "one");
    EXPECT_EQ(receive_from(right).text, "");
    EXPECT_EQ(receive_from(right).text, "three");
}

TOMBOLO_TEST(udp_socket, says_that_a_datagram_was_too_long_for_the_buffer) {
    udp_socket left = bound_socket();
    udp_socket right = bound_socket();
    left.connect(right.local_endpoint());
    right.connect(left.local_endpoint());
    left.send("0123456789ab");
    left.send("0123456789ab");
    left.send("0123456789");
    const datagram cut = receive_from(right);
    EXPECT_EQ(cut.text, "0123456789");
    EXPECT_TRUE(cut.truncated);
    std::array<char, 10> buffer;
    EXPECT_TRUE(right.receive(buffer).truncated);
    EXPECT_FALSE(right.receive(buffer).truncated) << "that one fits";
}

TOMBOLO_TEST(udp_socket, connected_receives_from_its_peer_only) {
    udp_socket left = bound_socket();
    udp_socket right = bound_socket();
    udp_socket stranger = bound_socket();
    right.connect(left.local_endpoint());
    EXPECT_EQ(right.remote_endpoint(), left.local_endpoint());
    stranger.send_to("buy!", right.local_endpoint());
    left.send_to("hello", right.local_endpoint());
    EXPECT_EQ(receive_from(right).text, "hello");
}

TOMBOLO_TEST(udp_socket, not_connected_cannot_send_without_an_address) {
    udp_socket socket = bound_socket();
    try {
        socket.send("x");
        ADD_FAILURE() << "to whom?";
    } catch (const io_error& error) {
        EXPECT_EQ(error.number(), EDESTADDRREQ);
    }
}

TOMBOLO_TEST(udp_socket, refuses_a_datagram_that_is_too_long) {
    udp_socket socket = bound_socket();
    try {
        socket.send_to(std::string(70'000, 'x'), socket.local_endpoint());
        ADD_FAILURE() << "no datagram is that long";
    } catch (const io_error& error) {
        EXPECT_EQ(error.number(), EMSGSIZE);
    }
}

TOMBOLO_TEST(udp_socket, connected_hears_that_nobody_is_there) {
    udp_socket gone = bound_socket();
    udp_socket socket(net::family::ipv4);
    socket.connect(gone.local_endpoint());
    gone.close();
    socket.send("hello?");
    try {
        receive_from(socket);
        ADD_FAILURE() << "nobody can have sent anything";
    } catch (const io_error& error) {
        EXPECT_EQ(error.number(), ECONNREFUSED);
    }
}

TOMBOLO_TEST(udp_socket, waits_and_is_woken_by_a_datagram_or_the_end) {
    udp_socket left = bound_socket();
    udp_socket right = bound_socket();
    open_nursery([&](nursery& n) {
        n.start_soon([&] {
            EXPECT_EQ(receive_from(right).text, "x");
            EXPECT_THROW(receive_from(right), closed_resource);
        });
        wait_all_tasks_blocked();
        left.send_to("x", right.local_endpoint());
        wait_all_tasks_blocked();
        EXPECT_THROW(receive_from(right), busy_resource);
        right.close();
    });
    EXPECT_THROW(receive_from(right), closed_resource);
    EXPECT_THROW(left.send_to("x", net::endpoint("::1", 1)), io_error) << "of another family";
}

TOMBOLO_TEST(udp_socket, broadcasts_only_when_allowed) {
    udp_socket socket = bound_socket();
    const net::endpoint everybody("255.255.255.255", 9);
    try {
        socket.send_to("x", everybody);
        ADD_FAILURE() << "it was not allowed";
    } catch (const io_error& error) {
        EXPECT_EQ(error.number(), EACCES);
    }
    socket.set_broadcast(true);
    EXPECT_EQ(socket.socket().option(SOL_SOCKET, SO_BROADCAST), 1);
}

TOMBOLO_TEST(udp_socket, receives_from_the_multicast_groups_that_it_joined) {
    const unsigned loopback = ::if_nametoindex("lo");
    const net::endpoint group("239.7.7.7", 0);
    udp_socket receiver(net::family::ipv4);
    receiver.bind(net::endpoint::any(net::family::ipv4, 0));
    receiver.join_group(group, loopback);
    EXPECT_THROW(receiver.join_group(group, loopback), io_error) << "it has joined it";
    udp_socket sender = bound_socket();
    sender.set_multicast_loop(true);
    sender.set_multicast_hops(0);
    sender.send_to("all", group.with_port(receiver.local_endpoint().port()));
    EXPECT_EQ(receive_from(receiver).text, "all");
    receiver.leave_group(group, loopback);
    EXPECT_THROW(receiver.leave_group(group, loopback), io_error) << "it has left it";
    EXPECT_THROW(receiver.join_group(net::endpoint::local("/tmp/x")), net::invalid_address);
}

TOMBOLO_TEST(udp_socket, takes_only_sockets_of_datagrams) {
    EXPECT_THROW(udp_socket(net::socket(net::family::ipv4, net::socket_type::stream)), invalid_descriptor);
}

}  // namespace
}  // namespace tombolo::testing
