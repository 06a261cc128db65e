#pragma once

#include <tombolo/base/bytes.hpp>
#include <tombolo/base/unique_fd.hpp>
#include <tombolo/fibers/io_error.hpp>
#include <tombolo/fibers/kernel/owned_fd.hpp>
#include <tombolo/fibers/net/endpoint.hpp>
#include <tombolo/fibers/net/socket_backend.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <utility>

namespace tombolo::net {

struct accepted_socket;

/// A socket, as the system has it, whose blocking calls let other tasks run. Most programs want tcp_stream, unix_stream, tcp_listener
/// or udp_socket, which stand on it.
///
/// Every blocking call is tried first, so that errors come at once, and waits when the system says that it would block. A cancelled call has
/// done nothing, but for connect(), which closes the socket.
///
/// Lifetime: move-only; not moved or destroyed while a task is in one of its calls. Belongs to the run in which it first waits; release() the
/// descriptor to hand it to another run. The destructor closes. One task at a time waits in each direction, others get busy_resource; without having to wait, whoever asks is served.
/// Source: trio.socket.SocketType.
class socket {
public:
    /// Closed.
    socket() noexcept = default;
    /// Opens one, of the run's socket_provider if it has one. Never inherited by child processes.
    /// Checkpoint: never. Throws: io_error, with EMFILE and ENFILE when there are no descriptors left.
    socket(net::family family, socket_type type, int protocol = 0);
    /// Takes over an open socket and makes it non-blocking. Throws: invalid_descriptor when it is none.
    explicit socket(unique_fd fd);
    explicit socket(std::unique_ptr<socket_backend> backend);
    socket(socket&&) noexcept = default;
    socket& operator=(socket&&) noexcept;
    ~socket();

    /// Two connected ones, of the local family. Checkpoint: never. Throws: io_error. Source: trio.socket.socketpair.
    static std::pair<socket, socket> pair(socket_type type = socket_type::stream);

    bool is_open() const noexcept { return fd_.is_open() || backend_ != nullptr; }
    net::family family() const noexcept { return family_; }
    socket_type type() const noexcept { return type_; }
    /// The descriptor, for system calls that tombolo does not have; -1 when closed or no socket of the system. It is non-blocking, and it
    /// is not to be closed.
    int fd() const noexcept { return fd_.get(); }

    /// Checkpoint: always. A path is bound in a thread, as file systems may be slow. Throws: io_error; closed_resource; cancelled.
    void bind(const endpoint& to);
    /// Checkpoint: never. Units: `backlog` in connections, clipped to what the system allows. Throws: io_error; closed_resource.
    void listen(int backlog = 65535);
    /// Waits for a connection. Checkpoint: always. Cancellation: no connection is lost. Throws: io_error with whatever accept(2) says;
    /// busy_resource; closed_resource; cancelled.
    accepted_socket accept();
    /// Checkpoint: always. Cancellation: closes the socket, as a connection under way cannot be called back.
    /// Throws: io_error with the endpoint in its text; closed_resource; cancelled.
    void connect(const endpoint& to);

    /// Receives at least one byte, or one datagram; 0 at the end of a stream. Units: `flags` as in recv(2).
    /// Checkpoint: always. Throws: io_error; busy_resource; closed_resource; cancelled.
    std::size_t receive(mutable_bytes buffer, int flags = 0);
    received_from receive_from(mutable_bytes buffer, int flags = 0);
    /// Into several buffers one after the other, with ancillary data (recvmsg).
    received_from receive_message(std::span<const mutable_bytes> buffers, mutable_bytes control = {}, int flags = 0);

    /// Sends as much as there is room for, at least one byte, or one datagram. SIGPIPE is never raised.
    /// Checkpoint: always. Throws: io_error; busy_resource; closed_resource; cancelled.
    std::size_t send(const_bytes bytes, int flags = 0);
    std::size_t send_to(const_bytes bytes, const endpoint& to, int flags = 0);
    /// From several buffers, to `to` if it is one, with ancillary data (sendmsg).
    std::size_t send_message(
        std::span<const const_bytes> buffers, const endpoint& to = {}, const_bytes control = {}, int flags = 0);
    /// Lets the system copy from a file, from `offset` on, at most `count` bytes; returns how many it took. Not on sockets of a provider.
    /// A file that is not in memory is read meanwhile, and the whole run waits for its disk.
    /// Checkpoint: always. Throws: as send; invalid_descriptor on a socket that is none of the system's.
    std::size_t send_file(int file, std::uint64_t offset, std::size_t count);

    /// The same without waiting; empty when it would block. Checkpoint: never.
    std::optional<std::size_t> try_receive(mutable_bytes buffer, int flags = 0);
    std::optional<std::size_t> try_send(const_bytes bytes, int flags = 0);

    /// Checkpoint: never. Throws: io_error; closed_resource.
    void shutdown(shutdown_side side);
    /// Whether the sending side was shut down here.
    bool did_shut_down_send() const noexcept { return did_shut_down_send_; }

    /// Whether receive() or accept() would return at once. Checkpoint: never. Throws: closed_resource.
    bool is_readable();
    /// Checkpoint: always. It may be a false alarm. Throws: busy_resource; closed_resource; cancelled.
    void wait_readable();
    void wait_writable();

    /// Checkpoint: never. Throws: io_error; closed_resource.
    endpoint local_endpoint() const;
    endpoint remote_endpoint() const;
    void set_option(int level, int name, int value);
    void set_option(int level, int name, const_bytes value);
    int option(int level, int name) const;
    /// Returns how much of `value` was written.
    std::size_t option(int level, int name, mutable_bytes value) const;

    /// A second descriptor of the same socket. Checkpoint: never. Throws: io_error; closed_resource.
    socket duplicate() const;
    /// Gives the descriptor away; who waits gets closed_resource. Checkpoint: never. Throws: closed_resource.
    [[nodiscard]] unique_fd release();
    /// Who waits gets closed_resource. Again: does nothing. Checkpoint: never.
    void close() noexcept;

    /// For streams: bytes from several buffers, some of them at least, without naming an endpoint.
    /// Checkpoint: always. Returns the count or the negative of errno; throws what waiting throws.
    long send_gathered(std::span<const const_bytes> buffers, const char* what);
    /// The same for receiving.
    long receive_once(mutable_bytes buffer, const char* what);

private:
    socket(kernel::owned_fd fd, net::family family, socket_type type) noexcept;
    void require_open(const char* what) const;
    void bind_path(const endpoint& to);
    void note_short(kernel::io_direction direction, long count, std::size_t size) noexcept;
    void require_buffers(std::size_t count, const char* what) const;
    int try_connect(const endpoint& to, const char* what);
    int finish_connect(const char* what);

    kernel::owned_fd fd_;
    std::unique_ptr<socket_backend> backend_;
    net::family family_ = net::family::unspecified;
    socket_type type_ = socket_type::stream;
    bool did_shut_down_send_ = false;
    bool is_plain_tcp_ = false;  ///< nothing but the end of what has come makes a receive short
};

struct accepted_socket {
    net::socket socket;
    endpoint from;
};

}  // namespace tombolo::net
