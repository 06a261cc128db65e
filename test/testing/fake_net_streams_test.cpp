#include <tombolo/fibers/cancel_scope.hpp>
#include <tombolo/fibers/clock.hpp>
#include <tombolo/fibers/errors.hpp>
#include <tombolo/fibers/event.hpp>
#include <tombolo/fibers/net/open_tcp_listeners.hpp>
#include <tombolo/fibers/net/open_tcp_stream.hpp>
#include <tombolo/fibers/net/resolve.hpp>
#include <tombolo/fibers/net/serve.hpp>
#include <tombolo/fibers/net/tcp_stream.hpp>
#include <tombolo/fibers/nursery.hpp>
#include <tombolo/fibers/timeouts.hpp>
#include <tombolo/testing/fake_net.hpp>
#include <tombolo/testing/open_stream_to_listener.hpp>
#include <tombolo/testing/stream_checks.hpp>
#include <tombolo/testing/test.hpp>
#include <tombolo/testing/wait_all_tasks_blocked.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <cstddef>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace tombolo::testing {
namespace {

using namespace std::chrono_literals;
using net::tcp_listener;
using net::tcp_stream;

std::pair<tcp_stream, tcp_stream> connected_pair() {
    tcp_listener listener = std::move(net::open_tcp_listeners(0, {.host = "192.0.2.1"}).front());
    tcp_stream client = open_stream_to_listener(listener);
    return {std::move(client), listener.accept()};
}

void clog(tcp_stream& stream) {
    const std::string bytes(4096, 'x');
    while (stream.socket().try_send(bytes)) {}
}

std::pair<tcp_stream, tcp_stream> clogged_pair() {
    auto pair = connected_pair();
    clog(pair.first);
    clog(pair.second);
    return pair;
}

int error_of(const std::function<void()>& call) {
    try {
        call();
    } catch (const io_error& error) {
        return error.number();
    }
    return 0;
}

std::string receive(tcp_stream& from, std::size_t max_bytes = 100) {
    std::string buffer(max_bytes, '\0');
    buffer.resize(from.receive_some(buffer));
    return buffer;
}

TOMBOLO_TEST(fake_net, has_streams_that_pass_the_stream_checks) {
    const fake_net network;
    check_half_closeable_stream(connected_pair, clogged_pair);
}

TOMBOLO_TEST(fake_net, has_streams_that_pass_the_stream_checks_on_a_slow_and_lossy_link) {
    fake_net network({.stream_buffer = 1000});
    network.link("here", "here", {.latency = 30ms, .jitter = 10ms, .loss = 0.05, .bandwidth = 100'000'000});
    check_half_closeable_stream(connected_pair, clogged_pair);
}

TOMBOLO_TEST(fake_net, takes_a_round_trip_to_connect_and_one_way_to_carry) {
    fake_net network({.link = {.latency = 20ms}});
    network.add_host("server", {"10.0.0.2"});
    open_nursery([&](nursery& n) {
        network.run_on("server", [&] {
            n.start<std::vector<net::endpoint>>([](task_status<std::vector<net::endpoint>>& status) {
                net::serve_tcp([](tcp_stream s) { s.send_all(receive(s)); }, 80, {.status = &status});
            });
        });
        const time_point begin = now();
        tcp_stream client = net::open_tcp_stream("server", 80);
        EXPECT_EQ(now() - begin, 40ms);
        client.send_all("hello");
        EXPECT_EQ(now() - begin, 40ms);
        EXPECT_EQ(receive(client), "hello");
        EXPECT_EQ(now() - begin, 80ms);
        EXPECT_EQ(receive(client), "");
        n.cancel_scope().cancel();
    });
}

TOMBOLO_TEST(fake_net, sends_as_fast_as_the_bandwidth_allows) {
    fake_net network({.link = {.latency = 1s, .bandwidth = 1000}, .stream_buffer = 1 << 20});
    network.add_host("server", {"10.0.0.2"});
    tcp_listener listener;
    network.run_on("server", [&] { listener = std::move(net::open_tcp_listeners(80).front()); });
    tcp_stream client = net::open_tcp_stream("10.0.0.2", 80);
    tcp_stream server = listener.accept();
    const time_point begin = now();
    client.send_all(std::string(500, 'a'));
    client.send_all(std::string(1500, 'b'));
    EXPECT_EQ(receive(server, 5000), std::string(500, 'a'));
    EXPECT_EQ(now() - begin, 1500ms);
    EXPECT_EQ(receive(server, 5000), std::string(1500, 'b'));
    EXPECT_EQ(now() - begin, 3s);
}

TOMBOLO_TEST(fake_net, makes_a_sender_wait_while_its_receiver_reads_nothing) {
    fake_net network({.stream_buffer = 1000});
    auto [client, server] = connected_pair();
    bool sent = false;
    open_nursery([&](nursery& n) {
        n.start_soon([&] {
            client.send_all(std::string(1500, 'x'));
            sent = true;
        });
        sleep_for(1h);
        EXPECT_FALSE(sent);
        EXPECT_EQ(receive(server, 600).size(), 600U);
        sleep_for(1s);
        EXPECT_TRUE(sent);
    });
}

TOMBOLO_TEST(fake_net, refuses_connections_where_nobody_listens) {
    fake_net network({.link = {.latency = 5ms}});
    network.add_host("server", {"10.0.0.2"});
    const time_point begin = now();
    EXPECT_EQ(error_of([] { static_cast<void>(net::open_tcp_stream("server", 81)); }), ECONNREFUSED);
    EXPECT_EQ(now() - begin, 10ms);
}

TOMBOLO_TEST(fake_net, lets_connect_hang_where_no_host_is_until_its_time_is_up) {
    fake_net network({.connect_timeout = 20s});
    EXPECT_FALSE(move_on_after(19s, [] { static_cast<void>(net::open_tcp_stream("10.9.9.9", 80)); }));
    const time_point begin = now();
    EXPECT_EQ(error_of([] { static_cast<void>(net::open_tcp_stream("10.9.9.9", 80)); }), ETIMEDOUT);
    EXPECT_EQ(now() - begin, 20s);
}

TOMBOLO_TEST(fake_net, says_that_a_family_without_an_address_is_unreachable) {
    fake_net network;
    network.add_host("old", {"10.0.0.2"});
    network.run_on("old", [] {
        net::socket s(net::family::ipv6, net::socket_type::stream);
        EXPECT_EQ(error_of([&] { s.connect(net::endpoint("fd00::1", 80)); }), ENETUNREACH);
    });
}

TOMBOLO_TEST(fake_net, lets_happy_eyeballs_pass_an_address_that_does_not_answer) {
    fake_net network({.link = {.latency = 10ms}});
    network.add_host("server", {"10.0.0.3"});
    network.add_name("service", {"fd00::9", "10.0.0.3"});
    tcp_listener listener;
    network.run_on("server", [&] { listener = std::move(net::open_tcp_listeners(80).front()); });
    const time_point begin = now();
    tcp_stream client = net::open_tcp_stream("service", 80);
    EXPECT_EQ(now() - begin, 270ms);
    EXPECT_EQ(client.remote_endpoint(), net::endpoint("10.0.0.3", 80));
    const tcp_stream server = listener.accept();
    EXPECT_EQ(server.remote_endpoint(), client.local_endpoint());
    EXPECT_EQ(client.local_endpoint().address(), "192.0.2.1");
    EXPECT_GE(client.local_endpoint().port(), 49152);
}

TOMBOLO_TEST(fake_net, knows_its_hosts_by_name_and_no_others) {
    fake_net network;
    network.add_host("server", {"10.0.0.2", "fd00::2"});
    using ::testing::ElementsAre;
    EXPECT_THAT(net::resolve("server", 80), ElementsAre(net::endpoint("10.0.0.2", 80), net::endpoint("fd00::2", 80)));
    EXPECT_THAT(net::resolve("server", 80, {.family = net::family::ipv6}), ElementsAre(net::endpoint("fd00::2", 80)));
    EXPECT_THROW(static_cast<void>(net::resolve("example.org", 80)), net::resolve_error);
    EXPECT_EQ(net::resolve_name(net::endpoint("fd00::2", 80)), "server");
}

TOMBOLO_TEST(fake_net, gives_a_port_to_one_socket_at_a_time) {
    fake_net network;
    network.add_host("server", {"10.0.0.2", "10.0.0.3"});
    const auto bound = [](const net::endpoint& to) {
        net::socket s(to.family(), net::socket_type::stream);
        s.bind(to);
        return s;
    };
    network.run_on("server", [&] {
        net::socket first = bound({"10.0.0.2", 80});
        EXPECT_EQ(error_of([&] { bound({"10.0.0.2", 80}); }), EADDRINUSE);
        EXPECT_EQ(error_of([&] { bound(net::endpoint::any(net::family::ipv4, 80)); }), EADDRINUSE);
        EXPECT_EQ(error_of([&] { bound({"10.0.0.4", 80}); }), EADDRNOTAVAIL);
        bound({"10.0.0.3", 80});
        bound(net::endpoint::any(net::family::ipv6, 80));
        first.close();
        bound({"10.0.0.2", 80});
        EXPECT_NE(bound({"10.0.0.2", 0}).local_endpoint().port(), bound({"10.0.0.2", 0}).local_endpoint().port());
    });
    bound(net::endpoint::any(net::family::ipv4, 80));
}

TOMBOLO_TEST(fake_net, keeps_clients_waiting_that_find_the_backlog_full) {
    fake_net network;
    net::socket listening(net::family::ipv4, net::socket_type::stream);
    listening.bind(net::endpoint("192.0.2.1", 80));
    listening.listen(2);
    int connected = 0;
    open_nursery([&](nursery& n) {
        for (int i = 0; i < 3; ++i)
            n.start_soon([&] {
                const tcp_stream client = net::open_tcp_stream("192.0.2.1", 80);
                ++connected;
                sleep_for(1h);
            });
        sleep_for(20s);
        EXPECT_EQ(connected, 2);
        const net::accepted_socket one = listening.accept();
        sleep_for(20s);
        EXPECT_EQ(connected, 3);
        n.cancel_scope().cancel();
    });
}

TOMBOLO_TEST(fake_net, resets_the_connections_that_a_closed_listener_has_not_accepted) {
    fake_net network;
    tcp_listener listener = std::move(net::open_tcp_listeners(80).front());
    tcp_stream client = open_stream_to_listener(listener);
    listener.close();
    EXPECT_THROW(receive(client), broken_stream);
    EXPECT_EQ(error_of([] { static_cast<void>(net::open_tcp_stream("localhost", 80)); }), ECONNREFUSED);
}

TOMBOLO_TEST(fake_net, resets_a_connection_whose_closed_end_had_bytes_to_receive) {
    fake_net network;
    auto [client, server] = connected_pair();
    client.send_all("never received");
    sleep_for(1s);
    server.close();
    EXPECT_THROW(receive(client), broken_stream);
}

TOMBOLO_TEST(fake_net, resets_connections_on_demand) {
    fake_net network;
    network.add_host("server", {"10.0.0.2"});
    network.add_host("other", {"10.0.0.3"});
    std::vector<tcp_listener> listeners;
    for (const auto* name : {"server", "other"})
        network.run_on(name, [&] { listeners.push_back(std::move(net::open_tcp_listeners(80).front())); });
    tcp_stream client = net::open_tcp_stream("server", 80);
    tcp_stream server = listeners[0].accept();
    tcp_stream spared = net::open_tcp_stream("other", 80);
    tcp_stream spared_server = listeners[1].accept();
    server.send_all("last words");
    sleep_for(1s);
    open_nursery([&](nursery& n) {
        n.start_soon([&] { EXPECT_THROW(receive(server), broken_stream); });
        wait_all_tasks_blocked();
        EXPECT_EQ(network.reset_connections("server", "here"), 1U);
    });
    EXPECT_EQ(receive(client), "last words");
    EXPECT_THROW(receive(client), broken_stream);
    EXPECT_THROW(client.send_all("x"), broken_stream);
    spared.send_all("x");
    EXPECT_EQ(receive(spared_server), "x");
    EXPECT_EQ(network.reset_connections("server", "here"), 0U);
}

TOMBOLO_TEST(fake_net, holds_streams_and_connects_in_a_partition_until_it_heals) {
    fake_net network({.link = {.latency = 10ms}});
    network.add_host("server", {"10.0.0.2"});
    tcp_listener listener;
    network.run_on("server", [&] { listener = std::move(net::open_tcp_listeners(80).front()); });
    tcp_stream client = net::open_tcp_stream("server", 80);
    tcp_stream server = listener.accept();
    client.send_all("before, ");
    network.partition("here", "server");
    client.send_all("meanwhile");
    client.send_eof();
    EXPECT_FALSE(move_on_after(30s, [&] { receive(server); }));
    open_nursery([&](nursery& n) {
        n.start_soon([&] { tcp_stream late = net::open_tcp_stream("server", 80); });
        EXPECT_FALSE(move_on_after(30s, [&] { static_cast<void>(listener.accept()); }));
        network.heal("here", "server");
        std::string got;
        for (std::string part = receive(server); !part.empty(); part = receive(server)) got += part;
        EXPECT_EQ(got, "before, meanwhile");
        EXPECT_TRUE(move_on_after(60s, [&] { static_cast<void>(listener.accept()); }));
    });
}

TOMBOLO_TEST(fake_net, gives_sockets_back_to_the_system_when_it_ends) {
    {
        const fake_net network;
        EXPECT_EQ(net::socket(net::family::ipv4, net::socket_type::stream).fd(), -1);
    }
    EXPECT_NE(net::socket(net::family::ipv4, net::socket_type::stream).fd(), -1);
}

TOMBOLO_TEST(fake_net, refuses_what_makes_no_sense) {
    EXPECT_THROW(fake_net({.link = {.loss = 1.5}}), invalid_probability);
    EXPECT_THROW(fake_net({.link = {.latency = -1s}}), invalid_duration);
    EXPECT_THROW(fake_net({.stream_buffer = 0}), invalid_count);
    EXPECT_THROW(fake_net({.connect_timeout = -1s}), invalid_duration);
    fake_net network;
    EXPECT_THROW(network.add_host("here", {"10.0.0.2"}), usage_error);
    EXPECT_THROW(network.add_host("twin", {"192.0.2.1"}), usage_error);
    EXPECT_THROW(network.add_host("self", {"127.0.0.1"}), usage_error);
    EXPECT_THROW(network.add_host("text", {"no address"}), net::invalid_address);
    EXPECT_THROW(network.partition("here", "nowhere"), usage_error);
    EXPECT_THROW(network.run_on("nowhere", [] {}), usage_error);
}

}  // namespace
}  // namespace tombolo::testing
