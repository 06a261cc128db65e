#pragma once

#include <tombolo/fibers/net/serve.hpp>
#include <tombolo/fibers/net/tls_listener.hpp>

#include <utility>

namespace tombolo::net {

struct serve_tls_options {
    serve_tcp_options tcp = {};
    bool https_compatible = false;
};

/// A TLS server: open_tls_listeners() and serve_listeners().
/// `serve_tls([](tls_stream& s) { ... s.aclose(); }, 8443, tls_context::server(chain, key), {.tcp = {.max_connections = 100}});`
///
/// A handler ends its connection with aclose(), or the client takes it for cut. Clients whose handshake fails make the handler throw: see
/// on_handler_error, without which a stranger ends the server.
/// Checkpoint: always. Cancellation, Throws: as serve_tcp(). Source: trio.serve_ssl_over_tcp.
template <class Handler>
void serve_tls(Handler handler, int port, const tls_context& context, const serve_tls_options& options = {}) {
    serve_listeners(
        std::move(handler),
        open_tls_listeners(
            port, context,
            {.tcp = {.host = options.tcp.host, .backlog = options.tcp.backlog},
             .https_compatible = options.https_compatible}),
        options.tcp.serving());
}

}  // namespace tombolo::net
