#include <tombolo/fibers/net/open_tcp_listeners.hpp>
#include <tombolo/fibers/net/tcp_listener.hpp>
#include <tombolo/fibers/net/tcp_stream.hpp>
#include <tombolo/fibers/net/unix_stream.hpp>
#include <tombolo/testing/open_stream_to_listener.hpp>
#include <tombolo/testing/stream_checks.hpp>
#include <tombolo/testing/test.hpp>

#include <gtest/gtest.h>

#include <string>
#include <utility>

// The generic batteries over streams of the system's sockets.

namespace tombolo::net {
namespace {

void fill(socket_stream& stream) {
    const std::string bytes(65536, 'x');
    while (stream.socket().try_send(bytes)) {}
}

/// Clogged in both directions.
template <class Stream>
std::pair<Stream, Stream> clogged(std::pair<Stream, Stream> pair) {
    // Loopback makes room in steps: what has just been handed over has left the sender's buffer.
    for (int again = 0; again != 3; ++again) {
        fill(pair.first);
        fill(pair.second);
    }
    return pair;
}

std::pair<tcp_stream, tcp_stream> tcp_pair() {
    tcp_listener listener = std::move(open_tcp_listeners(0, {.host = "127.0.0.1"}).front());
    tcp_stream client = testing::open_stream_to_listener(listener);
    return {std::move(client), listener.accept()};
}

TOMBOLO_TEST(stream_battery, passes_unix_streams) {
    testing::check_half_closeable_stream(unix_stream::pair, [] { return clogged(unix_stream::pair()); });
}

TOMBOLO_TEST(stream_battery, passes_tcp_streams_over_loopback) {
    testing::check_half_closeable_stream(tcp_pair, [] { return clogged(tcp_pair()); });
}

}  // namespace
}  // namespace tombolo::net
