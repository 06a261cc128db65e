#include "test/fibers/checkpoint_claims.hpp"

#include <tombolo/fibers/net/open_tcp_listeners.hpp>
#include <tombolo/fibers/net/open_tcp_stream.hpp>
#include <tombolo/fibers/net/tcp_listener.hpp>
#include <tombolo/fibers/net/tcp_stream.hpp>
#include <tombolo/fibers/nursery.hpp>
#include <tombolo/testing/fake_net.hpp>
#include <tombolo/testing/open_stream_to_listener.hpp>
#include <tombolo/testing/wait_all_tasks_blocked.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <utility>

// The rows of the fake network.

namespace tombolo::testing {
namespace {

using namespace std::chrono_literals;

net::tcp_listener one_listener() { return std::move(net::open_tcp_listeners(80, {.host = "192.0.2.1"}).front()); }

/// Makes the call while a stream between "here" and "server" waits for something to receive.
void beside_a_connection(call_check& check, const std::function<void(fake_net&)>& call) {
    fake_net network;
    network.add_host("server", {"10.0.0.2"});
    net::tcp_listener listener;
    network.run_on("server", [&] { listener = std::move(net::open_tcp_listeners(80).front()); });
    net::tcp_stream client = net::open_tcp_stream("server", 80);
    net::tcp_stream server = listener.accept();
    open_nursery([&](nursery& n) {
        n.start_soon([&] {
            std::string buffer(1, '\0');
            static_cast<void>(client.receive_some(buffer));
        });
        wait_all_tasks_blocked();
        check([&] { call(network); });
        n.cancel_scope().cancel();
    });
}

const checkpoint_rows fake_networks{
    {"testing/fake_net.hpp", "fake_net_constructor", "never", {never([](call_check& check) {
         std::optional<fake_net> network;
         check([&] { network.emplace(); });
         check([&] { network.reset(); });
     })}},
    {"testing/fake_net.hpp", "fake_net_add_host", "never", {never([](call_check& check) {
         fake_net network;
         check([&] { network.add_host("server", {"10.0.0.2"}); });
     })}},
    {"testing/fake_net.hpp", "fake_net_add_name", "never", {never([](call_check& check) {
         fake_net network;
         check([&] { network.add_name("service", {"10.0.0.2"}); });
     })}},
    {"testing/fake_net.hpp", "fake_net_link", "never", {never([](call_check& check) {
         fake_net network;
         check([&] { network.link("here", "here", {.latency = 1s}); });
     })}},
    {"testing/fake_net.hpp", "fake_net_partition", "never", {never([](call_check& check) {
         beside_a_connection(check, [](fake_net& network) {
             network.partition("here", "server");
             network.isolate("server");
         });
     })}},
    {"testing/fake_net.hpp", "fake_net_heal", "never", {never([](call_check& check) {
         beside_a_connection(check, [](fake_net& network) { network.heal("here", "server"); });
     })}},
    {"testing/fake_net.hpp", "fake_net_heal_all", "never", {never([](call_check& check) {
         beside_a_connection(check, [](fake_net& network) { network.heal(); });
     })}},
    {"testing/fake_net.hpp", "fake_net_reset_connections", "never", {never([](call_check& check) {
         fake_net network;
         net::tcp_listener listener = one_listener();
         net::tcp_stream client = open_stream_to_listener(listener);
         check([&] { EXPECT_EQ(network.reset_connections("here", "here"), 1U); });
     })}},
};

const checkpoint_rows connecting{
    {"testing/open_stream_to_listener.hpp",
     "open_stream_to_listener",
     "always",
     {at_once([](call_check& check) {
          net::tcp_listener listener = std::move(net::open_tcp_listeners(0, {.host = "127.0.0.1"}).front());
          check([&] { open_stream_to_listener(listener); });
      }),
      waiting([](call_check& check) {
          fake_net network({.link = {.latency = 1s}});
          net::tcp_listener listener = one_listener();
          check([&] { open_stream_to_listener(listener); });
      })}},
};

}  // namespace
}  // namespace tombolo::testing
