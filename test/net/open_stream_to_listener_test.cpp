#include <tombolo/testing/open_stream_to_listener.hpp>

#include <tombolo/fibers/errors.hpp>
#include <tombolo/fibers/net/open_tcp_listeners.hpp>
#include <tombolo/fibers/net/tcp_listener.hpp>
#include <tombolo/fibers/net/unix_listener.hpp>
#include <tombolo/testing/test.hpp>

#include <gtest/gtest.h>

#include <string>
#include <utility>

#include <unistd.h>

namespace tombolo::testing {
namespace {

template <class Listener>
void expect_connection(Listener& listener) {
    auto client = open_stream_to_listener(listener);
    auto server = listener.accept();
    client.send_all("x");
    std::string buffer(10, '\0');
    EXPECT_EQ(server.receive_some(buffer), 1U);
}

TOMBOLO_TEST(open_stream_to_listener, connects_to_a_listener_at_one_address) {
    net::tcp_listener listener = std::move(net::open_tcp_listeners(0, {.host = "127.0.0.1"}).front());
    expect_connection(listener);
}

TOMBOLO_TEST(open_stream_to_listener, connects_by_loopback_to_listeners_at_every_address) {
    for (net::tcp_listener& each : net::open_tcp_listeners(0)) expect_connection(each);
}

TOMBOLO_TEST(open_stream_to_listener, connects_to_a_listener_of_the_local_family) {
    net::socket listening(net::family::local, net::socket_type::stream);
    listening.bind(net::endpoint::local(std::string(1, '\0') + "tombolo-test-" + std::to_string(::getpid())));
    listening.listen();
    net::unix_listener listener(std::move(listening));
    expect_connection(listener);
}

TOMBOLO_TEST(open_stream_to_listener, throws_when_the_listener_is_closed) {
    net::tcp_listener listener = std::move(net::open_tcp_listeners(0).front());
    listener.close();
    EXPECT_THROW(open_stream_to_listener(listener), closed_resource);
}

}  // namespace
}  // namespace tombolo::testing
