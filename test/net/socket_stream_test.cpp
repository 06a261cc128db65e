#include <tombolo/fibers/net/socket_stream.hpp>

#include <tombolo/fibers/cancel_scope.hpp>
#include <tombolo/fibers/net/tcp_stream.hpp>
#include <tombolo/fibers/net/unix_stream.hpp>
#include <tombolo/fibers/nursery.hpp>
#include <tombolo/testing/test.hpp>
#include <tombolo/testing/wait_all_tasks_blocked.hpp>

#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

namespace tombolo::testing {
namespace {

using net::endpoint;
using net::family;
using net::socket_type;
using net::tcp_stream;
using net::unix_stream;
using ::testing::HasSubstr;

static_assert(is_half_closeable_stream<tcp_stream>);
static_assert(is_half_closeable_stream<unix_stream>);

std::pair<tcp_stream, tcp_stream> tcp_pair() {
    net::socket listener(family::ipv4, socket_type::stream);
    listener.bind(endpoint::loopback(family::ipv4, 0));
    listener.listen();
    net::socket client(family::ipv4, socket_type::stream);
    client.connect(listener.local_endpoint());
    return {tcp_stream(std::move(client)), tcp_stream(listener.accept().socket)};
}

template <class Stream>
std::string rest_of(Stream& from) {
    std::string all, part(65'536, '\0');
    while (const std::size_t count = from.receive_some(part)) all.append(part, 0, count);
    return all;
}

TOMBOLO_TEST(socket_stream, sends_ten_megabytes_and_ends) {
    auto [left, right] = tcp_pair();
    std::string sent(10'000'000, '\0'), got;
    for (std::size_t i = 0; i < sent.size(); ++i) sent[i] = static_cast<char>(i * 7 / 3);
    open_nursery([&, &left = left, &right = right](nursery& n) {
        n.start_soon([&] {
            left.send_all(sent);
            left.send_eof();
            left.send_eof();
        });
        got = rest_of(right);
    });
    EXPECT_EQ(got, sent);
    EXPECT_THROW(left.send_all("more"), closed_resource);
    EXPECT_THROW(left.send_all(""), closed_resource);
    right.send_all("still");
    right.close();
    EXPECT_EQ(rest_of(left), "still");
}

TOMBOLO_TEST(socket_stream, sends_many_buffers_in_their_order) {
    auto [left, right] = unix_stream::pair();
    std::vector<std::string> parts;
    std::string all, got;
    for (std::size_t i = 0; i < 1000; ++i) {
        parts.emplace_back(i * 13 % 2000, static_cast<char>('a' + i % 26));
        all += parts.back();
    }
    std::vector<const_bytes> buffers(parts.begin(), parts.end());
    open_nursery([&, &left = left, &right = right](nursery& n) {
        n.start_soon([&] {
            left.send_all(buffers);
            left.send_all(std::vector<const_bytes>(5));
            left.send_all(std::vector<const_bytes>());
            left.close();
        });
        got = rest_of(right);
    });
    EXPECT_EQ(got, all);
}

TOMBOLO_TEST(socket_stream, sends_a_part_of_a_file) {
    auto [left, right] = tcp_pair();
    const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::tmpfile(), std::fclose);
    const std::string content(3'000'000, 'f');
    ASSERT_EQ(std::fwrite(content.data(), 1, content.size(), file.get()), content.size());
    std::fflush(file.get());
    std::string got;
    open_nursery([&, &left = left, &right = right](nursery& n) {
        n.start_soon([&] {
            EXPECT_EQ(left.send_file(::fileno(file.get()), 10, 1'000'000), 1'000'000u);
            EXPECT_EQ(left.send_file(::fileno(file.get()), 2'999'990, 1'000), 10u);
            EXPECT_EQ(left.send_file(::fileno(file.get()), 0, 0), 0u);
            left.send_eof();
        });
        got = rest_of(right);
    });
    EXPECT_EQ(got.size(), 1'000'010u);
}

TOMBOLO_TEST(socket_stream, a_file_for_a_peer_that_has_gone_is_a_broken_stream_and_no_signal) {
    auto [left, right] = unix_stream::pair();
    const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::tmpfile(), std::fclose);
    std::fputs("content", file.get());
    std::fflush(file.get());
    right.close();
    EXPECT_THROW(left.send_file(::fileno(file.get()), 0, 7), broken_stream);
    EXPECT_THROW(left.send_file(-1, 0, 7), io_error);
}

TOMBOLO_TEST(socket_stream, what_happens_to_the_connection_is_broken_stream) {
    auto [left, right] = unix_stream::pair();
    right.close();
    try {
        left.send_all("x");
        ADD_FAILURE() << "sent to nobody";
    } catch (const broken_stream& broken) {
        EXPECT_EQ(broken.code().value(), EPIPE);
        EXPECT_THAT(broken.what(), HasSubstr("send_all: the connection is lost"));
    }
    left.close();
    EXPECT_THROW(left.send_all("x"), closed_resource);
    EXPECT_THROW(left.wait_send_all_might_not_block(), closed_resource);
    EXPECT_THROW(left.send_eof(), closed_resource);
    char one = 0;
    EXPECT_THROW(left.receive_some({&one, 1}), closed_resource);
    left.aclose();
}

TOMBOLO_TEST(socket_stream, refuses_a_second_sender_while_the_first_waits_for_room) {
    auto [left, right] = unix_stream::pair();
    const std::string much(10'000'000, 'x');
    open_nursery([&, &left = left](nursery& n) {
        n.start_soon([&] { left.send_all(much); });
        wait_all_tasks_blocked();
        EXPECT_THROW(left.send_all("y"), busy_resource);
        EXPECT_THROW(left.send_all(""), busy_resource);
        EXPECT_THROW(left.wait_send_all_might_not_block(), busy_resource);
        EXPECT_THROW(left.send_eof(), busy_resource);
        n.cancel_scope().cancel();
    });
}

TOMBOLO_TEST(socket_stream, refuses_an_empty_buffer_and_sockets_that_are_no_streams) {
    auto [left, right] = unix_stream::pair();
    EXPECT_THROW(left.receive_some({}), invalid_count);
    EXPECT_THROW(tcp_stream(net::socket(family::ipv4, socket_type::datagram)), invalid_descriptor);
    EXPECT_THROW(tcp_stream(net::socket(family::ipv4, socket_type::stream)), invalid_descriptor);
}

TOMBOLO_TEST(socket_stream, a_cancelled_aclose_has_closed) {
    auto [left, right] = unix_stream::pair();
    cancel_scope scope;
    EXPECT_FALSE(scope.run([&, &left = left] {
        scope.cancel();
        left.aclose();
    }));
    EXPECT_FALSE(left.is_open());
    EXPECT_EQ(rest_of(right), "");
}

TOMBOLO_TEST(tcp_stream, sends_small_packets_at_once_and_keeps_alive_on_request) {
    auto [left, right] = tcp_pair();
    EXPECT_EQ(left.socket().option(IPPROTO_TCP, TCP_NODELAY), 1);
    EXPECT_EQ(left.socket().option(IPPROTO_TCP, TCP_NOTSENT_LOWAT), 16 * 1024);
    left.set_no_delay(false);
    EXPECT_EQ(left.socket().option(IPPROTO_TCP, TCP_NODELAY), 0);
    left.set_keep_alive(true, 30, 5, 3);
    EXPECT_EQ(left.socket().option(SOL_SOCKET, SO_KEEPALIVE), 1);
    EXPECT_EQ(left.socket().option(IPPROTO_TCP, TCP_KEEPIDLE), 30);
    EXPECT_EQ(left.local_endpoint(), right.remote_endpoint());
}

TOMBOLO_TEST(socket_stream, is_read_and_written_by_buffer_sequences) {
    auto [left, right] = unix_stream::pair();
    const std::string a = "buffer ", b, c = "sequence";
    const std::array<boost::asio::const_buffer, 3> parts{
        boost::asio::buffer(a), boost::asio::buffer(b), boost::asio::buffer(c)};
    boost::system::error_code error = boost::asio::error::eof;
    EXPECT_EQ(left.write_some(parts, error), 15u);
    EXPECT_FALSE(error);
    std::string into(20, '\0');
    EXPECT_EQ(right.read_some(boost::asio::buffer(into), error), 15u);
    EXPECT_EQ(into.substr(0, 15), "buffer sequence");
    EXPECT_EQ(right.read_some(boost::asio::mutable_buffer(), error), 0u);
    EXPECT_FALSE(error);
    left.close();
    EXPECT_EQ(right.read_some(boost::asio::buffer(into), error), 0u);
    EXPECT_EQ(error, boost::asio::error::eof);
    EXPECT_THROW(right.read_some(boost::asio::buffer(into)), end_of_stream);
    EXPECT_EQ(right.write_some(parts, error), 0u);
    EXPECT_EQ(error, boost::asio::error::broken_pipe);
    right.close();
    EXPECT_EQ(right.read_some(boost::asio::buffer(into), error), 0u);
    EXPECT_EQ(error, boost::asio::error::bad_descriptor);
}

TOMBOLO_TEST(stream, any_one_can_be_had_behind_the_abstract_class) {
    auto [left, right] = unix_stream::pair();
    const std::unique_ptr<stream> abstract = make_stream(std::move(left));
    abstract->send_all("hidden");
    abstract->wait_send_all_might_not_block();
    abstract->aclose();
    EXPECT_EQ(rest_of(right), "hidden");
}

}  // namespace
}  // namespace tombolo::testing
