#pragma once

#include <tombolo/base/time.hpp>
#include <tombolo/fibers/io_error.hpp>
#include <tombolo/fibers/net/tcp_stream.hpp>

#include <chrono>
#include <exception>
#include <string>
#include <string_view>
#include <utility>

namespace tombolo::net {

/// Thrown by open_tcp_stream() when no address of the host could be connected to. number() is the errno value of the first one to fail, the
/// text has them all.
class connect_error : public io_error {
public:
    connect_error(int error, const std::string& what, std::exception_ptr cause)
        : io_error(error, what), cause_(std::move(cause)) {}

    /// An exception_group with the io_error of each attempt, in the order in which they failed.
    [[nodiscard]] const std::exception_ptr& cause() const noexcept { return cause_; }

private:
    std::exception_ptr cause_;
};

struct tcp_stream_options {
    /// How long one attempt has before the next one begins beside it.
    duration happy_eyeballs_delay = std::chrono::milliseconds(250);
    /// One attempt at a time: each begins when the one before it has failed.
    bool sequential = false;
    /// The numeric address of this machine to connect from; addresses of another family fail. Empty: the system chooses.
    std::string_view local_address = {};
};

/// Connects to a host, by name or numeric address, at whichever of its addresses answers first (RFC 8305, "happy eyeballs").
///
/// The addresses are tried in the order that the resolver gives them, but with the families taking turns. The next attempt
/// begins when one has failed, or after a delay. The first that succeeds ends all the others.
///
/// Checkpoint: always. Cancellation: nothing is left open. Throws: connect_error, which is an io_error, when all attempts have failed;
/// resolve_error; invalid_address for a port that does not exist and a local address that is not numeric; cancelled.
/// Source: trio.open_tcp_stream, whose order (RFC 6555) moves only the first address of the other family.
[[nodiscard]] tcp_stream open_tcp_stream(std::string_view host, int port, const tcp_stream_options& options = {});

}  // namespace tombolo::net
