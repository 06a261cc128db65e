#pragma once

#include <tombolo/fibers/net/endpoint.hpp>
#include <tombolo/fibers/net/socket.hpp>
#include <tombolo/fibers/stream.hpp>

#include <concepts>

namespace tombolo::kernel {
net::socket connect_to_listener(const net::socket& listening);
}  // namespace tombolo::kernel

namespace tombolo::testing {

/// Connects to a listener of this program, wherever it listens: the client's end of what its accept() returns. One that
/// listens at every address is reached by loopback; in a fake_net, call it on the listener's host then.
///
///     auto listeners = net::open_tcp_listeners(0);
///     auto client = open_stream_to_listener(listeners[0]);
///
/// Checkpoint: always. Cancellation: nothing is left open. Throws: io_error; closed_resource; cancelled.
/// Source: trio.testing.open_stream_to_socket_listener.
template <is_listener Listener>
    requires requires(Listener& listener) {
        { listener.socket() } -> std::convertible_to<const net::socket&>;
    }
auto open_stream_to_listener(Listener& listener) -> decltype(listener.accept()) {
    return decltype(listener.accept())(kernel::connect_to_listener(listener.socket()));
}

}  // namespace tombolo::testing
