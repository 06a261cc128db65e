#pragma once

#include <tombolo/fibers/net/socket.hpp>
#include <tombolo/fibers/net/unix_stream.hpp>
#include <tombolo/fibers/stream.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace tombolo::net {

struct unix_listener_options {
    /// How many connections may wait to be accepted; clipped to what the system allows.
    int backlog = 65535;
};

/// Accepts connections of the local (Unix) family at a path. Models is_listener.
///
/// Closing it removes its path, if the file there is still the one that it made.
///
/// Lifetime: move-only; not moved or destroyed while a task is in one of its calls. The destructor closes.
class unix_listener {
public:
    /// Closed: every call throws closed_resource.
    unix_listener() noexcept = default;
    /// Never removes a path: that is for who made it. Throws: invalid_descriptor when it is no stream socket, or does not listen.
    explicit unix_listener(net::socket listening);
    unix_listener(unix_listener&&) noexcept = default;
    unix_listener& operator=(unix_listener&& other) noexcept;
    ~unix_listener() { close(); }

    /// As tcp_listener::accept().
    /// Checkpoint: always. Cancellation: no connection is lost. Throws: io_error; busy_resource; closed_resource; cancelled.
    [[nodiscard]] unix_stream accept();

    /// close(), and a checkpoint. Checkpoint: always. Throws: cancelled, and it is closed nevertheless.
    void aclose();
    /// Who waits in accept() gets closed_resource. Removes the path, in this thread. Again: does nothing.
    /// Checkpoint: never.
    void close() noexcept;
    bool is_open() const noexcept { return socket_.is_open(); }

    /// Checkpoint: never. Throws: io_error; closed_resource.
    endpoint local_endpoint() const { return socket_.local_endpoint(); }
    /// For options and the descriptor.
    net::socket& socket() noexcept { return socket_; }
    const net::socket& socket() const noexcept { return socket_; }

private:
    friend unix_listener open_unix_listener(std::string_view path, const unix_listener_options& options);

    /// The file that bind() made: which one it is, not only where.
    struct bound_file {
        std::string path;
        std::uint64_t device = 0;
        std::uint64_t inode = 0;
        int owner = 0;  ///< the process
    };

    net::socket socket_;
    bound_file file_;  ///< an empty path when there is none to be removed
};

/// Listens at a path, or at an abstract name (it begins with a zero byte). A socket that a program left there when it died, and
/// where nobody answers, is replaced; to find out, it connects there, which a living program sees as a connection that ends at once.
/// Two programs that replace the same one at the same moment may both think that they have it: where that matters, lock a
/// file beside it first.
/// Checkpoint: always. Cancellation: nothing is left open. Throws: io_error with EADDRINUSE when somebody listens there, or the file is
/// no socket, or with whatever else the system says; invalid_address; cancelled.
[[nodiscard]] unix_listener open_unix_listener(std::string_view path, const unix_listener_options& options = {});

}  // namespace tombolo::net
