#include <tombolo/fibers/clock.hpp>
#include <tombolo/fibers/errors.hpp>
#include <tombolo/fibers/io_error.hpp>
#include <tombolo/fibers/net/udp_socket.hpp>
#include <tombolo/fibers/nursery.hpp>
#include <tombolo/fibers/timeouts.hpp>
#include <tombolo/testing/fake_net.hpp>
#include <tombolo/testing/test.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <functional>
#include <string>
#include <vector>

namespace tombolo::testing {
namespace {

using namespace std::chrono_literals;
using net::endpoint;
using net::udp_socket;
using ::testing::ElementsAre;

const endpoint server_place("10.0.0.2", 53);

udp_socket socket_at(fake_net& network, std::string_view host, const endpoint& at) {
    return network.run_on(host, [&] {
        udp_socket made(at.family());
        made.bind(at);
        return made;
    });
}

std::string receive(udp_socket& from) {
    std::string buffer(2000, '\0');
    buffer.resize(from.receive_from(buffer).count);
    return buffer;
}

/// Everything that comes until nothing comes for an hour.
std::vector<std::string> receive_all(udp_socket& from) {
    std::vector<std::string> all;
    while (move_on_after(1h, [&] { all.push_back(receive(from)); })) {}
    return all;
}

int error_of(const std::function<void()>& call) {
    try {
        call();
    } catch (const io_error& error) {
        return error.number();
    }
    return 0;
}

TOMBOLO_TEST(fake_net_datagrams, arrive_after_the_latency_with_their_sender) {
    fake_net network({.link = {.latency = 15ms}});
    network.add_host("server", {"10.0.0.2"});
    udp_socket server = socket_at(network, "server", server_place);
    udp_socket client(net::family::ipv4);
    const time_point begin = now();
    client.send_to("question", server_place);
    std::string buffer(100, '\0');
    const net::received_from got = server.receive_from(buffer);
    EXPECT_EQ(now() - begin, 15ms);
    EXPECT_EQ(buffer.substr(0, got.count), "question");
    EXPECT_EQ(got.from, endpoint("192.0.2.1", client.local_endpoint().port()));
    EXPECT_FALSE(got.truncated);
    server.send_to("answer", got.from);
    EXPECT_EQ(receive(client), "answer");
    EXPECT_EQ(now() - begin, 30ms);
}

TOMBOLO_TEST(fake_net_datagrams, may_be_empty_and_are_cut_off_by_small_buffers) {
    fake_net network;
    network.add_host("server", {"10.0.0.2"});
    udp_socket server = socket_at(network, "server", server_place);
    udp_socket client(net::family::ipv4);
    client.send_to("", server_place);
    client.send_to("abcdef", server_place);
    std::string buffer(3, '\0');
    EXPECT_EQ(server.receive_from(buffer).count, 0U);
    const net::received_from got = server.receive_from(buffer);
    EXPECT_EQ(got.count, 3U);
    EXPECT_TRUE(got.truncated);
    EXPECT_EQ(error_of([&] { client.send_to(std::string(65508, 'x'), server_place); }), EMSGSIZE);
}

TOMBOLO_TEST(fake_net_datagrams, are_lost_as_often_as_the_link_says) {
    fake_net network({.link = {.loss = 0.3}});
    network.add_host("server", {"10.0.0.2"});
    udp_socket server = socket_at(network, "server", server_place);
    udp_socket client(net::family::ipv4);
    for (int i = 0; i < 1000; ++i) client.send_to("x", server_place);
    const std::size_t arrived = receive_all(server).size();
    EXPECT_GT(arrived, 600U);
    EXPECT_LT(arrived, 800U);
    EXPECT_EQ(network.statistics(), (fake_net_statistics{.sent = 1000, .lost = 1000 - arrived, .arrived = arrived}));
}

TOMBOLO_TEST(fake_net_datagrams, come_twice_and_overtake_each_other_where_the_link_says_so) {
    fake_net network({.link = {.jitter = 50ms, .duplication = 0.5}});
    network.add_host("server", {"10.0.0.2"});
    udp_socket server = socket_at(network, "server", server_place);
    udp_socket client(net::family::ipv4);
    std::vector<std::string> sent;
    for (int i = 100; i < 200; ++i) client.send_to(sent.emplace_back(std::to_string(i)), server_place);
    std::vector<std::string> got = receive_all(server);
    EXPECT_FALSE(std::ranges::is_sorted(got));
    EXPECT_EQ(got.size(), 100 + network.statistics().duplicated);
    EXPECT_GT(network.statistics().duplicated, 25U);
    std::ranges::sort(got);
    got.erase(std::ranges::unique(got).begin(), got.end());
    EXPECT_EQ(got, sent);
}

TOMBOLO_TEST(fake_net_datagrams, keep_their_order_on_a_link_without_jitter) {
    fake_net network({.link = {.bandwidth = 100}});
    network.add_host("server", {"10.0.0.2"});
    udp_socket server = socket_at(network, "server", server_place);
    udp_socket client(net::family::ipv4);
    const time_point begin = now();
    for (const auto* each : {"1", "2", "3"}) client.send_to(each, server_place);
    EXPECT_THAT((std::vector{receive(server), receive(server), receive(server)}), ElementsAre("1", "2", "3"));
    EXPECT_EQ(now() - begin, 31ms);
}

TOMBOLO_TEST(fake_net_datagrams, do_not_pass_a_partition_and_do_not_come_later) {
    fake_net network({.link = {.latency = 10ms}});
    network.add_host("server", {"10.0.0.2"});
    network.add_host("other", {"10.0.0.3"});
    udp_socket server = socket_at(network, "server", server_place);
    udp_socket other = socket_at(network, "other", endpoint("10.0.0.3", 53));
    udp_socket client(net::family::ipv4);
    client.send_to("on its way when the line is cut", server_place);
    network.isolate("server");
    client.send_to("sent in the partition", server_place);
    client.send_to("elsewhere", endpoint("10.0.0.3", 53));
    EXPECT_EQ(receive(other), "elsewhere");
    sleep_for(1s);
    network.heal();
    client.send_to("afterwards", server_place);
    EXPECT_THAT(receive_all(server), ElementsAre("afterwards"));
    EXPECT_EQ(network.statistics().lost, 2U);
}

TOMBOLO_TEST(fake_net_datagrams, are_lost_when_nobody_receives_them_in_time) {
    fake_net network({.datagram_buffer = 10});
    network.add_host("server", {"10.0.0.2"});
    udp_socket server = socket_at(network, "server", server_place);
    udp_socket client(net::family::ipv4);
    for (const auto* each : {"12345", "67890", "more"}) client.send_to(each, server_place);
    sleep_for(1s);
    EXPECT_THAT(receive_all(server), ElementsAre("12345", "67890"));
}

TOMBOLO_TEST(fake_net_datagrams, come_from_the_peer_only_at_a_connected_socket) {
    fake_net network;
    network.add_host("server", {"10.0.0.2"});
    network.add_host("stranger", {"10.0.0.3"});
    udp_socket server = socket_at(network, "server", server_place);
    udp_socket stranger = socket_at(network, "stranger", endpoint("10.0.0.3", 53));
    udp_socket client(net::family::ipv4);
    client.connect(server_place);
    EXPECT_EQ(client.remote_endpoint(), server_place);
    stranger.send_to("spam", client.local_endpoint());
    server.send_to("mail", client.local_endpoint());
    EXPECT_THAT(receive_all(client), ElementsAre("mail"));
    client.send("thanks");
    EXPECT_EQ(receive(server), "thanks");
}

TOMBOLO_TEST(fake_net_datagrams, are_refused_where_no_socket_is) {
    fake_net network;
    network.add_host("server", {"10.0.0.2"});
    udp_socket client(net::family::ipv4);
    client.send_to("nobody tells who is not connected", server_place);
    client.connect(server_place);
    client.send("x");
    EXPECT_EQ(error_of([&] { receive(client); }), ECONNREFUSED);
    client.send("y");
    sleep_for(1s);
    EXPECT_EQ(error_of([&] { client.send("z"); }), ECONNREFUSED);
    udp_socket unconnected(net::family::ipv4);
    EXPECT_EQ(error_of([&] { unconnected.send("x"); }), EDESTADDRREQ);
}

TOMBOLO_TEST(fake_net_datagrams, reach_their_own_host_without_loss) {
    fake_net network({.link = {.loss = 1}});
    udp_socket here(net::family::ipv6);
    here.bind(endpoint::any(net::family::ipv6, 53));
    udp_socket client(net::family::ipv6);
    client.send_to("self", endpoint("::1", 53));
    EXPECT_EQ(receive(here), "self");
    client.send_to("self", endpoint("2001:db8::1", 53));
    EXPECT_EQ(receive(here), "self");
    EXPECT_EQ(network.statistics().lost, 0U);
}

}  // namespace
}  // namespace tombolo::testing
