#pragma once

#include <tombolo/fibers/net/open_tcp_stream.hpp>
#include <tombolo/fibers/net/tls_context.hpp>
#include <tombolo/fibers/net/tls_stream.hpp>

#include <optional>
#include <string>
#include <string_view>

namespace tombolo::net {

struct open_tls_stream_options {
    /// Empty: tls_context::default_client().
    std::optional<tls_context> context = std::nullopt;
    /// Whom the certificate must be for; empty: the host that is connected to.
    std::string server_hostname = {};
    bool https_compatible = false;
    tcp_stream_options tcp = {};
};

/// Connects to a host and speaks TLS with it: `open_tls_stream("example.org", 443, {.https_compatible = true})`. The handshake is done by the
/// first call on the stream.
/// Checkpoint: always. Cancellation, Throws: as open_tcp_stream(); usage_error for a name that no certificate can have.
/// Source: trio.open_ssl_over_tcp_stream.
[[nodiscard]] tls_stream open_tls_stream(std::string_view host, int port, const open_tls_stream_options& options = {});

}  // namespace tombolo::net
