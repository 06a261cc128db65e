#pragma once

#include <openssl/ssl.h>

#include <string>

namespace tombolo::kernel {

/// Whom a connection has to be with, and why OpenSSL did not accept the certificate that it was shown.
///
/// Lifetime: immovable; outlives the handshake of the SSL that it watches.
class peer_verification {
public:
    peer_verification() = default;
    peer_verification(const peer_verification&) = delete;
    peer_verification& operator=(const peer_verification&) = delete;

    /// Verifies for `name`, a host name or an IP address, and sends it (SNI).
    /// Throws: usage_error for what can be neither.
    void expect(SSL* ssl, const std::string& name, bool verify);
    /// Notes why a certificate is refused. Leaves a callback of the user's alone.
    void watch(SSL* ssl);

    /// X509_V_ERR_*; X509_V_OK while nothing was refused.
    int reason() const noexcept { return reason_; }
    /// Why, and what to do.
    std::string text() const;

private:
    static int note(int accepted, X509_STORE_CTX* store);

    std::string expected_;
    int reason_ = X509_V_OK;
    int depth_ = 0;
    std::string subject_;
    std::string names_;
};

}  // namespace tombolo::kernel
