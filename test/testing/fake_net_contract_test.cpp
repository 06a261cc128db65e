#include <tombolo/fibers/cancel_scope.hpp>
#include <tombolo/fibers/checkpoint.hpp>
#include <tombolo/fibers/clock.hpp>
#include <tombolo/fibers/errors.hpp>
#include <tombolo/fibers/io_error.hpp>
#include <tombolo/fibers/net/open_tcp_listeners.hpp>
#include <tombolo/fibers/net/socket.hpp>
#include <tombolo/fibers/net/udp_socket.hpp>
#include <tombolo/fibers/nursery.hpp>
#include <tombolo/fibers/timeouts.hpp>
#include <tombolo/testing/checkpoints.hpp>
#include <tombolo/testing/fake_net.hpp>
#include <tombolo/testing/open_stream_to_listener.hpp>
#include <tombolo/testing/test.hpp>
#include <tombolo/testing/wait_all_tasks_blocked.hpp>

#include <gtest/gtest.h>

#include <cerrno>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <sys/socket.h>

// What a fake network's sockets promise as those of the system do.

namespace tombolo::testing {
namespace {

using namespace std::chrono_literals;
using net::endpoint;
using net::socket;

socket tcp() { return {net::family::ipv4, net::socket_type::stream}; }
socket udp() { return {net::family::ipv4, net::socket_type::datagram}; }

struct connected_sockets {
    connected_sockets() {
        socket listening = tcp();
        listening.bind(endpoint("192.0.2.1", 0));
        listening.listen();
        near = tcp();
        near.connect(listening.local_endpoint());
        far = listening.accept().socket;
    }
    socket near;
    socket far;
};

void fill(socket& to) {
    const std::string bytes(4096, 'x');
    while (to.try_send(bytes)) {}
}

/// Every way to wait: what sets it up, and the call that waits then.
struct waiting_call {
    std::string name;
    /// Returns the socket that waits, in a state in which `call` waits.
    std::function<std::unique_ptr<socket>(connected_sockets&)> prepare;
    std::function<void(socket&)> call;
};

std::vector<waiting_call> waiting_calls() {
    const auto take_near = [](connected_sockets& pair) { return std::make_unique<socket>(std::move(pair.near)); };
    const auto filled = [](connected_sockets& pair) {
        fill(pair.near);
        return std::make_unique<socket>(std::move(pair.near));
    };
    const auto listening = [](connected_sockets&) {
        auto made = std::make_unique<socket>(tcp());
        made->listen();
        return made;
    };
    const auto bound = [](connected_sockets&) {
        auto made = std::make_unique<socket>(udp());
        made->bind(endpoint("192.0.2.1", 0));
        return made;
    };
    const auto receive = [](socket& s) {
        std::string buffer(10, '\0');
        static_cast<void>(s.receive(buffer));
    };
    return {
        {"receive", take_near, receive},
        {"receive_datagram", bound, receive},
        {"wait_readable", take_near, [](socket& s) { s.wait_readable(); }},
        {"wait_readable_listening", listening, [](socket& s) { s.wait_readable(); }},
        {"send", filled, [](socket& s) { static_cast<void>(s.send("x")); }},
        {"wait_writable", filled, [](socket& s) { s.wait_writable(); }},
        {"accept", listening, [](socket& s) { static_cast<void>(s.accept()); }},
        {"connect", [](connected_sockets&) { return std::make_unique<socket>(tcp()); },
         [](socket& s) { s.connect(endpoint("10.9.9.9", 80)); }},
    };
}

TOMBOLO_TEST(fake_net_contract, every_wait_can_be_cancelled_before_and_while_it_waits) {
    const fake_net network;
    for (const waiting_call& each : waiting_calls()) {
        SCOPED_TRACE(each.name);
        for (const bool before : {true, false}) {
            connected_sockets pair;
            const std::unique_ptr<socket> waiting = each.prepare(pair);
            cancel_scope scope;
            if (before) scope.cancel();
            open_nursery([&](nursery& n) {
                n.start_soon([&] { EXPECT_FALSE(scope.run([&] { each.call(*waiting); })); });
                wait_all_tasks_blocked();
                scope.cancel();
            });
        }
    }
}

TOMBOLO_TEST(fake_net_contract, every_wait_ends_when_its_socket_is_closed_or_destroyed_by_closing) {
    const fake_net network;
    for (const waiting_call& each : waiting_calls()) {
        SCOPED_TRACE(each.name);
        connected_sockets pair;
        const std::unique_ptr<socket> waiting = each.prepare(pair);
        open_nursery([&](nursery& n) {
            n.start_soon([&] { EXPECT_THROW(each.call(*waiting), closed_resource); });
            wait_all_tasks_blocked();
            waiting->close();
        });
        EXPECT_THROW(each.call(*waiting), closed_resource);
    }
}

TOMBOLO_TEST(fake_net_contract, no_second_task_waits_in_the_same_direction) {
    const fake_net network;
    for (const waiting_call& each : waiting_calls()) {
        if (each.name == "connect") continue;
        SCOPED_TRACE(each.name);
        connected_sockets pair;
        const std::unique_ptr<socket> waiting = each.prepare(pair);
        open_nursery([&](nursery& n) {
            n.start_soon([&] { each.call(*waiting); });
            wait_all_tasks_blocked();
            EXPECT_THROW(each.call(*waiting), busy_resource);
            n.cancel_scope().cancel();
        });
    }
}

TOMBOLO_TEST(fake_net_contract, a_cancelled_call_has_done_nothing) {
    const fake_net network;
    connected_sockets pair;
    std::string buffer(10, '\0');
    static_cast<void>(pair.near.send("abc"));
    sleep_for(1s);
    const auto cancelled_at_once = [](const std::function<void()>& call) {
        cancel_scope scope;
        scope.cancel();
        EXPECT_FALSE(scope.run(call));
    };
    cancelled_at_once([&] { static_cast<void>(pair.far.receive(buffer)); });
    cancelled_at_once([&] { static_cast<void>(pair.near.send("not sent")); });
    EXPECT_EQ(pair.far.receive(buffer), 3U);
    EXPECT_EQ(pair.far.try_receive(buffer), std::nullopt);
    socket unbound = tcp();
    cancelled_at_once([&] { unbound.bind(endpoint("192.0.2.1", 80)); });
    EXPECT_EQ(unbound.local_endpoint().port(), 0);
}

TOMBOLO_TEST(fake_net_contract, a_cancelled_accept_loses_no_connection) {
    const fake_net network;
    net::tcp_listener listener = std::move(net::open_tcp_listeners(80).front());
    auto client = open_stream_to_listener(listener);
    cancel_scope scope;
    scope.cancel();
    EXPECT_FALSE(scope.run([&] { static_cast<void>(listener.accept()); }));
    EXPECT_EQ(listener.accept().remote_endpoint(), client.local_endpoint());
}

TOMBOLO_TEST(fake_net_contract, a_cancelled_connect_closes_the_socket_and_resets_what_it_began) {
    fake_net network({.link = {.latency = 10ms}});
    network.add_host("server", {"10.0.0.2"});
    socket listening = network.run_on("server", [] {
        socket made = tcp();
        made.bind(endpoint("10.0.0.2", 80));
        made.listen();
        return made;
    });
    socket client = tcp();
    // The server has heard of it, the client not of the server.
    EXPECT_FALSE(move_on_after(15ms, [&] { client.connect(endpoint("10.0.0.2", 80)); }));
    EXPECT_THROW(client.connect(endpoint("10.0.0.2", 80)), closed_resource);
    net::accepted_socket accepted = listening.accept();
    std::string buffer(10, '\0');
    EXPECT_THROW(static_cast<void>(accepted.socket.receive(buffer)), io_error);
}

TOMBOLO_TEST(fake_net_contract, every_call_is_a_checkpoint_also_when_it_need_not_wait) {
    const fake_net network;
    connected_sockets pair;
    std::string buffer(1, '\0');
    static_cast<void>(pair.near.send("ab"));
    sleep_for(1s);
    assert_checkpoints([&] { static_cast<void>(pair.near.send("c")); });
    assert_checkpoints([&] { static_cast<void>(pair.far.receive(buffer)); });
    assert_checkpoints([&] { pair.far.wait_readable(); });
    assert_checkpoints([&] { pair.far.wait_writable(); });
    assert_no_checkpoints([&] { EXPECT_TRUE(pair.far.is_readable()); });
    assert_no_checkpoints([&] { EXPECT_EQ(pair.far.try_receive(buffer), 1U); });
    assert_no_checkpoints([&] { EXPECT_EQ(pair.far.try_send("x"), 1U); });
    assert_no_checkpoints([&] { pair.far.shutdown(net::shutdown_side::send); });
    socket s = udp();
    assert_checkpoints([&] { s.bind(endpoint("192.0.2.1", 53)); });
    assert_checkpoints([&] { s.connect(endpoint("192.0.2.1", 53)); });
    assert_checkpoints([&] { static_cast<void>(s.send("self")); });
    sleep_for(1s);
    assert_checkpoints([&] { static_cast<void>(s.receive(buffer)); });
    assert_no_checkpoints([&] { pair.far.close(); });
}

TOMBOLO_TEST(fake_net_contract, errors_are_those_of_the_system) {
    const fake_net network;
    const auto error_of = [](const std::function<void()>& call) {
        try {
            call();
        } catch (const io_error& error) {
            return error.number();
        }
        return 0;
    };
    std::string buffer(10, '\0');
    socket idle = tcp();
    EXPECT_EQ(error_of([&] { static_cast<void>(idle.receive(buffer)); }), ENOTCONN);
    EXPECT_EQ(error_of([&] { static_cast<void>(idle.remote_endpoint()); }), ENOTCONN);
    EXPECT_EQ(error_of([&] { static_cast<void>(idle.accept()); }), EINVAL);
    EXPECT_EQ(error_of([&] { idle.bind(endpoint("::1", 80)); }), EAFNOSUPPORT);
    EXPECT_EQ(error_of([&] { socket(net::family::ipv4, net::socket_type::sequenced_packet); }), EPROTONOSUPPORT);
    connected_sockets pair;
    EXPECT_EQ(error_of([&] { pair.near.connect(endpoint("192.0.2.1", 80)); }), EISCONN);
    EXPECT_EQ(error_of([&] { pair.near.listen(); }), EINVAL);
    EXPECT_EQ(error_of([&] { pair.near.bind(endpoint("192.0.2.1", 80)); }), EINVAL);
    pair.near.shutdown(net::shutdown_side::send);
    EXPECT_EQ(error_of([&] { static_cast<void>(pair.near.send("x")); }), EPIPE);
    EXPECT_EQ(pair.far.receive(buffer), 0U);
    EXPECT_EQ(error_of([&] { udp().listen(); }), EOPNOTSUPP);
}

TOMBOLO_TEST(fake_net_contract, options_are_kept) {
    const fake_net network;
    socket s = tcp();
    EXPECT_EQ(s.option(SOL_SOCKET, SO_ACCEPTCONN), 0);
    EXPECT_EQ(s.option(SOL_SOCKET, SO_TYPE), SOCK_STREAM);
    s.set_option(SOL_SOCKET, SO_KEEPALIVE, 1);
    EXPECT_EQ(s.option(SOL_SOCKET, SO_KEEPALIVE), 1);
    s.listen();
    EXPECT_EQ(s.option(SOL_SOCKET, SO_ACCEPTCONN), 1);
}

TOMBOLO_TEST(fake_net_contract, bytes_can_be_looked_at_before_they_are_taken) {
    const fake_net network;
    connected_sockets pair;
    std::string buffer(10, '\0');
    static_cast<void>(pair.near.send("abc"));
    EXPECT_EQ(pair.far.receive(buffer, MSG_PEEK), 3U);
    EXPECT_EQ(pair.far.receive(buffer), 3U);
    EXPECT_FALSE(pair.far.is_readable());
}

}  // namespace
}  // namespace tombolo::testing
