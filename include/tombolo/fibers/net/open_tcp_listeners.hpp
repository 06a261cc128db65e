#pragma once

#include <tombolo/fibers/net/tcp_listener.hpp>

#include <string_view>
#include <vector>

namespace tombolo::net {

struct tcp_listeners_options {
    /// A name or a numeric address; empty: every address of this machine.
    std::string_view host = {};
    /// How many connections may wait to be accepted, at each address; clipped to what the system allows.
    int backlog = 65535;
};

/// Listens at a port of each address that the host has: one listener each, IPv4 and IPv6 apart. With port 0 the system chooses, for each
/// of them a port of its own. Address families that the system lacks are left out, unless that leaves nothing. Ports whose last
/// connections are still ebbing away can be had (SO_REUSEADDR).
///
/// Checkpoint: always. Cancellation: nothing is left open. Throws: io_error with the endpoint in its text, when any of them cannot be had;
/// resolve_error; invalid_address for a port that does not exist; invalid_count for a backlog below 1; cancelled.
/// Source: trio.open_tcp_listeners.
[[nodiscard]] std::vector<tcp_listener> open_tcp_listeners(int port, const tcp_listeners_options& options = {});

}  // namespace tombolo::net
