#pragma once

#include "resource.hpp"

#include <tombolo/fibers/net/tcp_stream.hpp>

#include <cstddef>

namespace legacy_island {

/// The island's socket: a tombolo::net::tcp_stream in the clothes that the legacy code expects. Each call looks as if it
/// blocked, and blocks the calling task alone. It knows nothing of deadlines; whoever wants one opens a scope around the
/// calls.
/// Checkpoint: always, in connect, send_some and receive_some.
/// Cancellation: the call ends with `cancelled`; the destructor then closes the connection.
/// Throws: std::system_error.
class fiber_socket {
public:
    void connect(const address& peer);
    std::size_t send_some(const char* data, std::size_t size);
    std::size_t receive_some(char* data, std::size_t size);

private:
    tombolo::net::tcp_stream stream_;
};

}  // namespace legacy_island
