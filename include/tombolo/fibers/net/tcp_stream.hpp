#pragma once

#include <tombolo/fibers/net/socket_stream.hpp>

namespace tombolo::net {

/// A TCP connection. Small writes go out at once (TCP_NODELAY), and wait_send_all_might_not_block() waits while more than 16 KiB have not been
/// sent yet (TCP_NOTSENT_LOWAT). open_tcp_stream() makes one, tcp_listener::accept() another.
/// Source: trio.SocketStream.
class tcp_stream : public socket_stream {
public:
    tcp_stream() noexcept = default;
    /// Throws: invalid_descriptor when it is no connected stream socket.
    explicit tcp_stream(net::socket connected);

    /// False: the system waits for more before it sends a small packet (Nagle's algorithm).
    /// Checkpoint: never. Throws: io_error; closed_resource.
    void set_no_delay(bool on);
    /// Units: seconds of silence before probes, between them, and how many. Checkpoint: never. Throws: io_error; closed_resource.
    void set_keep_alive(bool on, int idle = 60, int interval = 10, int count = 6);
};

}  // namespace tombolo::net
