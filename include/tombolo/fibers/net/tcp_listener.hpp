#pragma once

#include <tombolo/fibers/net/socket.hpp>
#include <tombolo/fibers/net/tcp_stream.hpp>
#include <tombolo/fibers/stream.hpp>

namespace tombolo::net {

/// Accepts TCP connections at one address. Models is_listener. open_tcp_listeners() makes them; serve_tcp() is a whole server.
///
/// Lifetime: move-only; not moved or destroyed while a task is in one of its calls. The destructor closes.
/// Source: trio.SocketListener.
class tcp_listener {
public:
    /// Closed: every call throws closed_resource.
    tcp_listener() noexcept = default;
    /// Throws: invalid_descriptor when it is no stream socket, or does not listen.
    explicit tcp_listener(net::socket listening);

    /// Waits for a connection. Those that were lost before they were accepted are skipped, see is_lost_connection().
    /// Checkpoint: always. Cancellation: no connection is lost. Throws: io_error with a capacity error (see is_capacity_error()), after
    /// which the listener is as good as before, or with another, after which it is not; busy_resource when another task is accepting;
    /// closed_resource; cancelled.
    [[nodiscard]] tcp_stream accept();

    /// close(), and a checkpoint. Checkpoint: always. Throws: cancelled, and it is closed nevertheless.
    void aclose();
    /// Who waits in accept() gets closed_resource; the system resets connections that nobody has accepted. Again: does nothing.
    /// Checkpoint: never.
    void close() noexcept { socket_.close(); }
    bool is_open() const noexcept { return socket_.is_open(); }

    /// Where it listens, with the port that the system has chosen. Checkpoint: never. Throws: io_error; closed_resource.
    endpoint local_endpoint() const { return socket_.local_endpoint(); }
    /// For options and the descriptor.
    net::socket& socket() noexcept { return socket_; }
    const net::socket& socket() const noexcept { return socket_; }

private:
    net::socket socket_;
};

}  // namespace tombolo::net
