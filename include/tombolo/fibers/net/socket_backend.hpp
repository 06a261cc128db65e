#pragma once

#include <tombolo/base/bytes.hpp>
#include <tombolo/fibers/net/endpoint.hpp>

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <utility>

namespace tombolo::net {

enum class socket_type : unsigned char { stream, datagram, sequenced_packet };
enum class shutdown_side : unsigned char { receive, send, both };

/// What a datagram brought. `truncated`: it was longer than the buffers, and the rest is lost.
struct received_from {
    std::size_t count = 0;
    endpoint from = {};
    bool truncated = false;
    std::size_t control_size = 0;  ///< bytes of ancillary data
    int flags = 0;                 ///< MSG_*, as recvmsg says
};

/// What stands behind a net::socket that is no socket of the system: a network made for tests. Every operation keeps the contract of
/// its namesake in net::socket (checkpoints, cancellation, errors).
class socket_backend {
public:
    virtual ~socket_backend() = default;
    virtual net::family family() const noexcept = 0;
    virtual socket_type type() const noexcept = 0;
    // As their namesakes.
    virtual void bind(const endpoint& to) = 0;
    virtual void listen(int backlog) = 0;
    virtual std::pair<std::unique_ptr<socket_backend>, endpoint> accept() = 0;
    virtual void connect(const endpoint& to) = 0;
    virtual std::size_t receive(std::span<const mutable_bytes> buffers, received_from& result, int flags) = 0;
    virtual std::size_t send(std::span<const const_bytes> buffers, const endpoint* to, int flags) = 0;
    /// Empty when it would wait. Checkpoint: never.
    virtual std::optional<std::size_t> try_receive(mutable_bytes buffer, int flags) = 0;
    virtual std::optional<std::size_t> try_send(const_bytes bytes, int flags) = 0;
    virtual void shutdown(shutdown_side side) = 0;
    virtual bool is_readable() = 0;
    virtual void wait_readable() = 0;
    virtual void wait_writable() = 0;
    virtual endpoint local_endpoint() const = 0;
    virtual endpoint remote_endpoint() const = 0;
    virtual void set_option(int level, int name, int value) = 0;
    virtual int option(int level, int name) const = 0;
    /// Wakes who waits with closed_resource. The backend is destroyed behind it, before they run: their calls must own what they
    /// touch from then on. Checkpoint: never.
    virtual void close() noexcept = 0;
};

/// Makes the sockets of a run. Source: trio.abc.SocketFactory.
class socket_provider {
public:
    virtual ~socket_provider() = default;
    /// Null: a socket of the system.
    virtual std::unique_ptr<socket_backend> open(net::family family, socket_type type) = 0;
};

/// From now on the run's sockets come from `provider` (null: from the system). Returns the previous one. It outlives the run, or its
/// replacement. Checkpoint: never. Throws: not_in_run. Source: trio.socket.set_custom_socket_factory.
socket_provider* set_socket_provider(socket_provider* provider);

}  // namespace tombolo::net
