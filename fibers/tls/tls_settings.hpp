#pragma once

#include <tombolo/fibers/net/tls_context.hpp>

#include <openssl/ssl.h>

#include <memory>
#include <string>

namespace tombolo::kernel {

struct free_ssl_context {
    void operator()(SSL_CTX* context) const noexcept { SSL_CTX_free(context); }
};

/// What the copies of a tls_context share.
struct tls_settings {
    std::unique_ptr<SSL_CTX, free_ssl_context> context;
    net::tls_role role = net::tls_role::client;
    bool verifies_hostname = false;
    std::string alpn;  ///< in the wire format; OpenSSL's callback reads it on every handshake of a server
};

}  // namespace tombolo::kernel
