#pragma once

#include <tombolo/base/bytes.hpp>
#include <tombolo/fibers/net/socket.hpp>

#include <cstddef>

namespace tombolo::net {

/// A socket of datagrams. It sends to anybody and receives from anybody, or, connected, from and to one peer. Everything that it does not
/// wrap is to be had through socket().
///
/// Lifetime: move-only; not moved or destroyed while a task is in one of its calls. The destructor closes.
/// Source: trio.socket.SocketType of SOCK_DGRAM.
class udp_socket {
public:
    /// Closed: every call throws closed_resource.
    udp_socket() noexcept = default;
    /// Not bound: the first send chooses a port. Checkpoint: never. Throws: io_error.
    explicit udp_socket(net::family family) : udp_socket(net::socket(family, socket_type::datagram)) {}
    /// Throws: invalid_descriptor when it is no datagram socket.
    explicit udp_socket(net::socket datagrams);

    /// Receives what is sent to that endpoint from now on; port 0: the system chooses. Checkpoint: always. Throws: io_error;
    /// closed_resource; cancelled.
    void bind(const endpoint& to) { socket_.bind(to); }
    /// From now on send() goes there, and only what comes from there is received. Checkpoint: always. Cancellation: closes the
    /// socket, as that of net::socket does. Throws: io_error; closed_resource; cancelled.
    void connect(const endpoint& to);

    /// Sends one datagram. Nobody says whether it arrives; that the peer's port is closed may come as ECONNREFUSED from a later
    /// call of a connected socket. Checkpoint: always. Throws: io_error, with EMSGSIZE for one that is too long; busy_resource;
    /// closed_resource; cancelled.
    void send_to(const_bytes datagram, const endpoint& to) { socket_.send_to(datagram, to); }
    /// Requires: connected, or io_error.
    void send(const_bytes datagram) { socket_.send(datagram); }

    /// Waits for a datagram, which may be empty. `truncated` says that it was longer than the buffer and the rest is lost.
    /// Checkpoint: always. Cancellation: none is lost. Throws: io_error; busy_resource; closed_resource; cancelled.
    received_from receive_from(mutable_bytes buffer) { return socket_.receive_from(buffer); }
    /// The same for connected sockets, in the sense of recv(2): it does not ask who has sent it.
    received_from receive(mutable_bytes buffer);

    /// Checkpoint: never. Throws: io_error; closed_resource.
    void set_broadcast(bool on);
    /// Receives what is sent to a multicast group, on the interface with that index (if_nametoindex(3)); 0: the system chooses.
    void join_group(const endpoint& group, unsigned interface = 0);
    void leave_group(const endpoint& group, unsigned interface = 0);
    /// Whether this machine gets the multicast datagrams that it sends, and how many routers they may cross.
    void set_multicast_loop(bool on);
    void set_multicast_hops(int hops);

    /// close(), and a checkpoint. Checkpoint: always. Throws: cancelled, and it is closed nevertheless.
    void aclose();
    /// Who waits in a call gets closed_resource. Again: does nothing. Checkpoint: never.
    void close() noexcept { socket_.close(); }
    bool is_open() const noexcept { return socket_.is_open(); }

    /// Checkpoint: never. Throws: io_error; closed_resource.
    endpoint local_endpoint() const { return socket_.local_endpoint(); }
    endpoint remote_endpoint() const { return socket_.remote_endpoint(); }
    net::socket& socket() noexcept { return socket_; }
    const net::socket& socket() const noexcept { return socket_; }

private:
    net::socket socket_;
};

}  // namespace tombolo::net
