#pragma once

#include <tombolo/fibers/net/open_tcp_listeners.hpp>
#include <tombolo/fibers/net/tcp_listener.hpp>
#include <tombolo/fibers/net/tls_context.hpp>
#include <tombolo/fibers/net/tls_stream.hpp>
#include <tombolo/fibers/stream.hpp>

#include <utility>
#include <vector>

namespace tombolo::net {

/// Accepts TLS connections over any listener. Models is_listener. The handshake is left to the first call on the stream, so that a slow
/// client keeps nobody else from being accepted. serve_tls() is a whole server.
///
/// Lifetime: as the listener's, which it owns. Source: trio.SSLListener.
template <is_listener Listener = tcp_listener>
class tls_listener {
public:
    tls_listener(Listener inner, tls_context context, tls_stream_options options = {})
        : inner_(std::move(inner)), context_(std::move(context)), options_(std::move(options)) {}

    /// Checkpoint: always. Cancellation, Throws: as the listener's.
    [[nodiscard]] tls_stream accept() { return tls_stream(inner_.accept(), context_, options_); }
    /// Checkpoint: always. Throws: as the listener's.
    void aclose() { inner_.aclose(); }
    /// Checkpoint: never.
    void close() noexcept { inner_.close(); }

    /// Where it listens. Checkpoint: never. Throws: io_error; closed_resource.
    [[nodiscard]] endpoint local_endpoint() const
        requires requires(const Listener& listener) { listener.local_endpoint(); }
    {
        return inner_.local_endpoint();
    }
    Listener& inner() noexcept { return inner_; }

private:
    Listener inner_;
    tls_context context_;
    tls_stream_options options_;
};

struct tls_listeners_options {
    tcp_listeners_options tcp = {};
    bool https_compatible = false;
};

/// open_tcp_listeners(), for TLS. Source: trio.open_ssl_over_tcp_listeners.
/// Checkpoint: always. Cancellation, Throws: as open_tcp_listeners().
[[nodiscard]] inline std::vector<tls_listener<>> open_tls_listeners(
    int port, const tls_context& context, const tls_listeners_options& options = {}) {
    std::vector<tls_listener<>> opened;
    for (tcp_listener& each : open_tcp_listeners(port, options.tcp))
        opened.emplace_back(std::move(each), context, tls_stream_options{.https_compatible = options.https_compatible});
    return opened;
}

}  // namespace tombolo::net
