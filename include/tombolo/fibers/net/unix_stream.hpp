#pragma once

#include <tombolo/fibers/net/socket_stream.hpp>

#include <string_view>

namespace tombolo::net {

/// A connection of the local (Unix) family.
/// Source: trio.SocketStream, trio.open_unix_socket.
class unix_stream : public socket_stream {
public:
    unix_stream() noexcept = default;
    /// Throws: invalid_descriptor when it is no connected stream socket.
    explicit unix_stream(net::socket connected) : socket_stream(std::move(connected)) {}

    /// Two connected ones. Checkpoint: never. Throws: io_error.
    static std::pair<unix_stream, unix_stream> pair();
};

/// Connects to a path. Checkpoint: always. Cancellation: nothing is left open. Throws: io_error with the path; invalid_address; cancelled.
[[nodiscard]] unix_stream open_unix_stream(std::string_view path);

}  // namespace tombolo::net
