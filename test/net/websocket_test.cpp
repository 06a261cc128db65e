#include <boost/beast/websocket.hpp>

#include "test/net/tls_pair.hpp"

#include <tombolo/fibers/cancel_scope.hpp>
#include <tombolo/fibers/net/unix_stream.hpp>
#include <tombolo/interop/asio_stream.hpp>
#include <tombolo/testing/test.hpp>
#include <tombolo/testing/wait_all_tasks_blocked.hpp>

#include <boost/beast/core.hpp>
#include <gtest/gtest.h>

#include <cerrno>
#include <string>
#include <utility>

// Beast's WebSocket, unmodified, on an asio_stream.

namespace tombolo::testing {
namespace {

namespace beast = boost::beast;
namespace websocket = boost::beast::websocket;
using interop::asio_stream;

std::string read_text(auto& socket) {
    beast::flat_buffer buffer;
    socket.read(buffer);
    return beast::buffers_to_string(buffer.data());
}

/// Echoes until the other side closes, and returns how many messages there were.
int serve_echo(auto& socket) {
    socket.accept();
    for (int echoed = 0;; ++echoed) {
        beast::flat_buffer buffer;
        beast::error_code error;
        socket.read(buffer, error);
        if (error == websocket::error::closed) return echoed;
        if (error) throw beast::system_error(error);
        socket.text(socket.got_text());
        socket.write(buffer.data());
    }
}

/// A connection that the other side has reset.
class reset_stream : public net::unix_stream {
public:
    explicit reset_stream(net::unix_stream inner) : net::unix_stream(std::move(inner)) {}
    void send_eof() { throw broken_stream(ECONNRESET, "the test's stream"); }
    void aclose() { throw broken_stream(ECONNRESET, "the test's stream"); }
};

TOMBOLO_TEST(beast_websocket, reports_a_reset_in_its_teardown_by_the_error_code) {
    for (const auto role : {beast::role_type::client, beast::role_type::server}) {
        auto [near, far] = net::unix_stream::pair();
        far.close();
        asio_stream<reset_stream> layer(std::move(near));
        beast::error_code error;
        teardown(role, layer, error);
        EXPECT_EQ(error, boost::system::errc::connection_reset);
        EXPECT_FALSE(layer.stream().is_open());
    }
}

template <class S>
void converse(S near, S far) {
    websocket::stream<asio_stream<S>> client(std::move(near));
    websocket::stream<asio_stream<S>> server(std::move(far));
    const std::string large = pattern(300'000);
    both(
        [&] {
            client.handshake("localhost", "/");
            int pongs = 0;
            client.control_callback([&](websocket::frame_type kind, beast::string_view payload) {
                if (kind == websocket::frame_type::pong && payload == "are you there") ++pongs;
            });
            client.write(boost::asio::buffer(std::string_view("hello")));
            EXPECT_EQ(read_text(client), "hello");
            client.ping("are you there");
            client.binary(true);
            client.write(boost::asio::buffer(large));
            EXPECT_TRUE(read_text(client) == large);
            EXPECT_TRUE(client.got_binary());
            EXPECT_EQ(pongs, 1);
            client.close(websocket::close_code::normal);
            EXPECT_FALSE(client.is_open());
        },
        [&] {
            EXPECT_EQ(serve_echo(server), 2);
            EXPECT_EQ(server.reason().code, websocket::close_code::normal);
        });
    EXPECT_FALSE(client.next_layer().stream().is_open());
    EXPECT_FALSE(server.next_layer().stream().is_open());
}

TOMBOLO_TEST(beast_websocket, echoes_answers_pings_and_closes_on_both_sides) {
    auto [near, far] = net::unix_stream::pair();
    converse(std::move(near), std::move(far));
}

TOMBOLO_TEST(beast_websocket, does_so_over_tls) {
    tls_pair ends;
    converse(std::move(ends.client), std::move(ends.server));
}

TOMBOLO_TEST(beast_websocket, refers_to_a_stream_that_somebody_else_owns) {
    auto [near, far] = net::unix_stream::pair();
    websocket::stream<asio_stream<net::unix_stream&>> client(near);
    websocket::stream<asio_stream<net::unix_stream&>> server(far);
    both(
        [&] {
            client.handshake("localhost", "/");
            client.close(websocket::close_code::going_away);
        },
        [&] {
            server.accept();
            beast::flat_buffer buffer;
            beast::error_code error;
            server.read(buffer, error);
            EXPECT_EQ(error, websocket::error::closed);
        });
    EXPECT_FALSE(near.is_open());
}

TOMBOLO_TEST(beast_websocket, is_cancelled_in_a_read_and_then_closed_by_force) {
    auto [near, far] = net::unix_stream::pair();
    websocket::stream<asio_stream<net::unix_stream>> client(std::move(near));
    websocket::stream<asio_stream<net::unix_stream>> server(std::move(far));
    both([&] { client.handshake("localhost", "/"); }, [&] { server.accept(); });
    cancel_scope scope;
    open_nursery([&](nursery& n) {
        n.start_soon([&] { EXPECT_FALSE(scope.run([&] { read_text(client); })); });
        wait_all_tasks_blocked();
        scope.cancel();
    });
    client.next_layer().stream().close();
    beast::flat_buffer buffer;
    beast::error_code error;
    server.read(buffer, error);
    EXPECT_TRUE(error);
}

}  // namespace
}  // namespace tombolo::testing
