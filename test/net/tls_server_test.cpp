#include "test/fibers/thrown.hpp"
#include "test/net/tls_pair.hpp"

#include <tombolo/fibers/net/open_tcp_stream.hpp>
#include <tombolo/fibers/net/open_tls_stream.hpp>
#include <tombolo/fibers/net/serve_tls.hpp>
#include <tombolo/fibers/net/tls_listener.hpp>
#include <tombolo/fibers/nursery.hpp>
#include <tombolo/testing/test.hpp>

#include <gtest/gtest.h>

#include <exception>
#include <string>
#include <vector>

namespace tombolo::testing {
namespace {

using namespace net;
using endpoints = std::vector<endpoint>;

static_assert(is_listener<tls_listener<>>);

void greet(tls_stream& client) {
    const std::string name = receive_exactly(client, 4);
    client.send_all("hello " + name);
    client.aclose();
}

TOMBOLO_TEST(serve_tls, serves_many_clients_at_once) {
    open_nursery([](nursery& n) {
        const int port =
            n.start<endpoints>([](task_status<endpoints>& status) {
                 serve_tls(greet, 0, localhost_server(), {.tcp = {.host = "localhost", .status = &status}});
             })
                .front()
                .port();
        const auto context = trusting_client();
        open_nursery([&](nursery& clients) {
            for (int i = 0; i < 10; ++i)
                clients.start_soon([&] {
                    tls_stream stream = open_tls_stream("127.0.0.1", port, {.context = context});
                    EXPECT_NE(stream.transport<tcp_stream>(), nullptr);
                    stream.send_all("tim!");
                    EXPECT_EQ(receive_all(stream), "hello tim!");
                    stream.aclose();
                });
        });
        n.cancel_scope().cancel();
    });
}

TOMBOLO_TEST(serve_tls, lets_a_stranger_end_only_its_own_connection) {
    std::vector<std::string> reported;
    const auto report = [&](const std::exception_ptr& error) { reported.push_back(describe(error)); };
    open_nursery([&](nursery& n) {
        const int port = n.start<endpoints>([&](task_status<endpoints>& status) {
                              serve_tls(
                                  greet, 0, localhost_server(),
                                  {.tcp = {.host = "127.0.0.1", .on_handler_error = report, .status = &status}});
                          })
                             .front()
                             .port();
        tcp_stream stranger = open_tcp_stream("127.0.0.1", port);
        stranger.send_all("GET / HTTP/1.1\r\n\r\n");
        receive_all(stranger);
        EXPECT_EQ(reported.size(), 1U);

        EXPECT_THROW(open_tls_stream("127.0.0.1", port).do_handshake(), certificate_rejected);
        const auto other_name =
            open_tls_stream_options{.context = trusting_client(), .server_hostname = "elsewhere.example"};
        EXPECT_THROW(open_tls_stream("127.0.0.1", port, other_name).do_handshake(), certificate_rejected);

        tls_stream stream = open_tls_stream("127.0.0.1", port, {.context = trusting_client()});
        stream.send_all("tim!");
        EXPECT_EQ(receive_all(stream), "hello tim!");
        n.cancel_scope().cancel();
    });
}

TOMBOLO_TEST(tls_listener, accepts_before_the_handshake) {
    tls_listener<> listener =
        std::move(open_tls_listeners(0, localhost_server(), {.tcp = {.host = "127.0.0.1"}}).front());
    tcp_stream silent = open_tcp_stream("127.0.0.1", listener.local_endpoint().port());
    const tls_stream first = listener.accept();
    EXPECT_FALSE(first.is_handshake_done());
    listener.aclose();
    EXPECT_THROW(static_cast<void>(listener.accept()), closed_resource);
}

}  // namespace
}  // namespace tombolo::testing
