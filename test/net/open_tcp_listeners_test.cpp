#include <tombolo/fibers/net/open_tcp_listeners.hpp>

#include "test/support/scripted_network.hpp"

#include <tombolo/fibers/errors.hpp>
#include <tombolo/fibers/net/tcp_stream.hpp>
#include <tombolo/testing/test.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <netinet/in.h>
#include <sys/socket.h>

// Case 86.

namespace tombolo::testing {
namespace {

using net::open_tcp_listeners;
using ::testing::ElementsAre;
using ::testing::SizeIs;

TOMBOLO_TEST(open_tcp_listeners, listens_at_every_address_of_the_host) {
    scripted_network network;
    network.addresses = {"1.1.1.1", "::2", "3.3.3.3"};
    std::set<std::pair<int, int>> options;
    network.on_option = [&](int level, int name) { options.emplace(level, name); };
    {
        const std::vector<net::tcp_listener> listeners = open_tcp_listeners(80, {.host = "host"});
        ASSERT_THAT(listeners, SizeIs(3));
        EXPECT_EQ(listeners[1].local_endpoint(), net::endpoint("::2", 80));
        EXPECT_THAT(network.backlogs, ElementsAre(65535, 65535, 65535));
        EXPECT_TRUE(options.contains({SOL_SOCKET, SO_REUSEADDR}));
        EXPECT_TRUE(options.contains({IPPROTO_IPV6, IPV6_V6ONLY}));
    }
    EXPECT_EQ(network.open_sockets, 0);
}

TOMBOLO_TEST(open_tcp_listeners, closes_all_when_one_cannot_be_had) {
    scripted_network network;
    network.addresses = {"1.1.1.1", "2.2.2.2", "3.3.3.3"};
    network.bind_errors["3.3.3.3"] = EADDRINUSE;
    try {
        static_cast<void>(open_tcp_listeners(80, {.host = "host"}));
        ADD_FAILURE() << "the third address is in use";
    } catch (const io_error& error) {
        EXPECT_EQ(error.number(), EADDRINUSE);
        EXPECT_THAT(error.what(), ::testing::HasSubstr("3.3.3.3:80"));
    }
    EXPECT_EQ(network.open_sockets, 0);
    EXPECT_THAT(network.bound, SizeIs(2));
}

TOMBOLO_TEST(open_tcp_listeners, leaves_out_families_that_the_system_lacks) {
    scripted_network network;
    network.addresses = {"::1", "1.1.1.1", "::2"};
    network.missing_families = {net::family::ipv6};
    EXPECT_THAT(open_tcp_listeners(80, {.host = "host"}), SizeIs(1));
    EXPECT_THAT(network.bound, ElementsAre("1.1.1.1"));
}

TOMBOLO_TEST(open_tcp_listeners, says_so_when_the_system_lacks_every_family) {
    scripted_network network;
    network.missing_families = {net::family::ipv6, net::family::ipv4};
    try {
        static_cast<void>(open_tcp_listeners(80));
        ADD_FAILURE() << "nothing can be listened at";
    } catch (const io_error& error) {
        EXPECT_EQ(error.number(), EAFNOSUPPORT);
    }
}

TOMBOLO_TEST(open_tcp_listeners, passes_the_backlog_on) {
    scripted_network network;
    static_cast<void>(open_tcp_listeners(80, {.host = "1.1.1.1", .backlog = 10}));
    EXPECT_THAT(network.backlogs, ElementsAre(10));
}

TOMBOLO_TEST(open_tcp_listeners, refuses_bad_input) {
    EXPECT_THROW(static_cast<void>(open_tcp_listeners(80, {.backlog = 0})), invalid_count);
    EXPECT_THROW(static_cast<void>(open_tcp_listeners(-1)), net::invalid_address);
    EXPECT_THROW(static_cast<void>(open_tcp_listeners(65536)), net::invalid_address);
}

TOMBOLO_TEST(open_tcp_listeners, takes_any_backlog_and_lets_the_system_choose_a_port) {
    for (net::tcp_listener& each : open_tcp_listeners(0, {.host = "127.0.0.1", .backlog = 2'000'000'000})) {
        EXPECT_NE(each.local_endpoint().port(), 0);
        EXPECT_EQ(each.local_endpoint().address(), "127.0.0.1");
    }
}

TOMBOLO_TEST(open_tcp_listeners, listens_at_all_addresses_of_the_machine_when_no_host_is_named) {
    const std::vector<net::tcp_listener> listeners = open_tcp_listeners(0);
    ASSERT_FALSE(listeners.empty());
    EXPECT_EQ(listeners.front().local_endpoint().address(), "0.0.0.0");
}

TOMBOLO_TEST(open_tcp_listeners, names_the_endpoint_that_is_in_use) {
    const std::vector<net::tcp_listener> first = open_tcp_listeners(0, {.host = "127.0.0.1"});
    const net::endpoint taken = first.front().local_endpoint();
    try {
        static_cast<void>(open_tcp_listeners(taken.port(), {.host = "127.0.0.1"}));
        ADD_FAILURE() << "somebody listens there";
    } catch (const io_error& error) {
        EXPECT_EQ(error.number(), EADDRINUSE);
        EXPECT_THAT(error.what(), ::testing::HasSubstr(taken.to_string()));
    }
}

}  // namespace
}  // namespace tombolo::testing
