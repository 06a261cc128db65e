#include "test/fibers/abort_table.hpp"

#include <tombolo/fibers/errors.hpp>
#include <tombolo/fibers/net/socket.hpp>
#include <tombolo/fibers/nursery.hpp>
#include <tombolo/fibers/timeouts.hpp>
#include <tombolo/testing/fake_net.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <cstddef>
#include <string>
#include <utility>

// The rows of the fake network's sockets.

namespace tombolo::testing {
namespace {

using namespace std::chrono_literals;
using net::endpoint;
using net::socket;

const endpoint place("192.0.2.1", 80);

struct fake_pair {
    fake_pair() {
        listening.bind(place);
        listening.listen();
        near.connect(place);
        far = listening.accept().socket;
    }
    fake_net network{{.link = {.latency = 10ms}, .stream_buffer = 1000}};
    socket listening{net::family::ipv4, net::socket_type::stream};
    socket near{net::family::ipv4, net::socket_type::stream};
    socket far;
};

/// Receives through the attempt, and again if that was cancelled: nothing is lost.
void receive_in_any_case(attempt& make, socket& from, const std::string& expected) {
    std::string buffer(100, '\0');
    std::size_t count = 0;
    if (!make([&] { count = from.receive(buffer); })) count = from.receive(buffer);
    EXPECT_EQ(buffer.substr(0, count), expected);
}

const operation_rows fake_sockets{
    {"fake_net_accept", true,
     [](attempt& make) {
         fake_pair pair;
         socket client(net::family::ipv4, net::socket_type::stream);
         open_nursery([&](nursery& n) {
             n.start_soon([&] {
                 sleep_for(10ms);
                 client.connect(place);
             });
             net::accepted_socket accepted;
             if (!make([&] { accepted = pair.listening.accept(); })) accepted = pair.listening.accept();
             EXPECT_EQ(accepted.from, client.local_endpoint());
         });
     }},
    {"fake_net_connect", true,
     [](attempt& make) {
         fake_pair pair;
         socket client(net::family::ipv4, net::socket_type::stream);
         const bool connected = make([&] { client.connect(place); });
         if (connected) {
             EXPECT_EQ(client.remote_endpoint(), place);
         }
     }},
    {"fake_net_receive", true,
     [](attempt& make) {
         fake_pair pair;
         open_nursery([&](nursery& n) {
             n.start_soon([&] {
                 sleep_for(10ms);
                 pair.near.send("x");
             });
             receive_in_any_case(make, pair.far, "x");
         });
     }},
    {"fake_net_receive_what_is_there", true,
     [](attempt& make) {
         fake_pair pair;
         pair.near.send("x");
         sleep_for(1s);
         receive_in_any_case(make, pair.far, "x");
     }},
    {"fake_net_send", true,
     [](attempt& make) {
         fake_pair pair;
         const std::string bytes(1000, 'x');
         pair.near.send(bytes);
         std::string got;
         std::size_t sent = bytes.size();
         open_nursery([&](nursery& n) {
             n.start_soon([&] {
                 sleep_for(1s);
                 std::string buffer(400, '\0');
                 while (const std::size_t count = pair.far.receive(buffer)) got += buffer.substr(0, count);
             });
             make([&] { sent += pair.near.send("more"); });
             pair.near.shutdown(net::shutdown_side::send);
         });
         EXPECT_EQ(got.size(), sent);
     }},
    {"fake_net_receive_datagram", true,
     [](attempt& make) {
         fake_net network;
         socket receiver(net::family::ipv4, net::socket_type::datagram);
         receiver.bind(place);
         open_nursery([&](nursery& n) {
             n.start_soon([&] {
                 sleep_for(10ms);
                 socket sender(net::family::ipv4, net::socket_type::datagram);
                 sender.send_to("x", place);
             });
             receive_in_any_case(make, receiver, "x");
         });
     }},
};

}  // namespace
}  // namespace tombolo::testing
