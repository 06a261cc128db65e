#include "test/fibers/thrown.hpp"
#include "test/net/tls_pair.hpp"

#include <tombolo/fibers/cancel_scope.hpp>
#include <tombolo/fibers/net/tcp_stream.hpp>
#include <tombolo/fibers/net/unix_stream.hpp>
#include <tombolo/fibers/timeouts.hpp>
#include <tombolo/testing/test.hpp>
#include <tombolo/testing/wait_all_tasks_blocked.hpp>

#include <boost/asio/read.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <gtest/gtest.h>

#include <chrono>
#include <string>

// Beast's HTTP and Asio's free functions, unmodified, on our streams themselves.

namespace tombolo::testing {
namespace {

using namespace std::chrono_literals;
namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;

static_assert(beast::is_sync_stream<net::tcp_stream>::value);
static_assert(beast::is_sync_stream<net::unix_stream>::value);
static_assert(beast::is_sync_stream<net::tls_stream>::value);

/// Answers with the request's target and body until the client ends or asks for the end. Returns how many it answered.
template <class S>
int serve_echo(S& stream) {
    beast::flat_buffer buffer;
    int answered = 0;
    for (;;) {
        http::request<http::string_body> request;
        beast::error_code error;
        http::read(stream, buffer, request, error);
        if (error == http::error::end_of_stream) return answered;
        if (error) throw beast::system_error(error);
        http::response<http::string_body> response{http::status::ok, request.version()};
        response.keep_alive(request.keep_alive());
        response.body() = std::string(request.target()) + " " + request.body();
        if (request.target() == "/chunked")
            response.chunked(true);
        else
            response.prepare_payload();
        http::write(stream, response);
        ++answered;
        if (!response.keep_alive()) return answered;
    }
}

template <class S>
std::string ask(S& stream, const std::string& target, const std::string& body, bool chunked = false) {
    http::request<http::string_body> request{http::verb::post, target, 11};
    request.body() = body;
    if (chunked)
        request.chunked(true);
    else
        request.prepare_payload();
    http::write(stream, request);
    beast::flat_buffer buffer;
    http::response<http::string_body> response;
    http::read(stream, buffer, response);
    return response.body();
}

/// Several requests on one connection, whole and in chunks, small and large.
template <class S>
void converse(S& client, S& server) {
    const std::string large = pattern(300'000);
    both(
        [&] {
            EXPECT_EQ(ask(client, "/a", "one"), "/a one");
            EXPECT_EQ(ask(client, "/chunked", "two"), "/chunked two");
            EXPECT_EQ(ask(client, "/b", "three", true), "/b three");
            EXPECT_TRUE(ask(client, "/chunked", large, true) == "/chunked " + large);
            client.aclose();
        },
        [&] { EXPECT_EQ(serve_echo(server), 4); });
}

std::pair<net::tcp_stream, net::tcp_stream> tcp_pair() {
    net::socket listener(net::family::ipv4, net::socket_type::stream);
    listener.bind(net::endpoint::loopback(net::family::ipv4, 0));
    listener.listen();
    net::socket near(net::family::ipv4, net::socket_type::stream);
    near.connect(listener.local_endpoint());
    return {net::tcp_stream(std::move(near)), net::tcp_stream(listener.accept().socket)};
}

TOMBOLO_TEST(beast_http, converses_over_tcp) {
    auto [client, server] = tcp_pair();
    converse(client, server);
}

TOMBOLO_TEST(beast_http, converses_over_local_sockets) {
    auto [client, server] = net::unix_stream::pair();
    converse(client, server);
}

TOMBOLO_TEST(beast_http, converses_over_tls) {
    tls_pair ends;
    converse(ends.client, ends.server);
}

TOMBOLO_TEST(beast_http, sees_the_end_in_the_middle_of_a_message) {
    auto [client, server] = net::unix_stream::pair();
    client.send_all("POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\nhalf");
    client.close();
    beast::flat_buffer buffer;
    http::request<http::string_body> request;
    beast::error_code error;
    http::read(server, buffer, request, error);
    EXPECT_EQ(error, http::error::partial_message);
}

TOMBOLO_TEST(asio_read, ends_with_eof_as_a_code_and_as_an_exception) {
    auto [client, server] = net::unix_stream::pair();
    asio::write(client, asio::buffer(std::string_view("line\nrest")));
    client.close();
    std::string text;
    EXPECT_EQ(asio::read_until(server, asio::dynamic_buffer(text), '\n'), 5U);
    char room[16];
    boost::system::error_code error;
    asio::read(server, asio::buffer(room), error);
    EXPECT_EQ(error, asio::error::eof);
    EXPECT_EQ(error.message(), "End of file");
    EXPECT_THROW(server.read_some(asio::buffer(room)), end_of_stream);
    EXPECT_EQ(server.read_some(asio::mutable_buffer()), 0U);
}

TOMBOLO_TEST(asio_write, puts_what_the_system_says_into_the_code) {
    auto [client, server] = net::unix_stream::pair();
    server.close();
    boost::system::error_code error;
    client.write_some(asio::buffer("x", 1), error);
    EXPECT_EQ(error, boost::system::errc::broken_pipe);
    client.close();
    client.write_some(asio::buffer("x", 1), error);
    EXPECT_EQ(error, boost::system::errc::bad_file_descriptor);
}

TOMBOLO_TEST(beast_http, is_interrupted_by_a_deadline_around_it) {
    auto [client, server] = net::unix_stream::pair();
    client.send_all("GET / HT");
    beast::flat_buffer buffer;
    http::request<http::string_body> request;
    EXPECT_FALSE(move_on_after(5s, [&] { http::read(server, buffer, request); }));
    // Nothing was lost: the same parser state is gone with the call, but the stream goes on.
    client.send_all("TP/1.1\r\n\r\n");
    EXPECT_EQ(receive_exactly(server, 10), "TP/1.1\r\n\r\n");
}

TOMBOLO_TEST(beast_http, is_cancelled_cleanly_in_the_middle_of_a_read) {
    auto [client, server] = net::unix_stream::pair();
    cancel_scope scope;
    open_nursery([&](nursery& n) {
        n.start_soon([&] {
            EXPECT_FALSE(scope.run([&] {
                beast::flat_buffer buffer;
                http::response_parser<http::string_body> parser;
                http::read(client, buffer, parser);
            }));
        });
        server.send_all("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab");
        wait_all_tasks_blocked();
        scope.cancel();
    });
}

}  // namespace
}  // namespace tombolo::testing
