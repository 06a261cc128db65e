#pragma once

#include <tombolo/fibers/errors.hpp>
#include <tombolo/fibers/io_error.hpp>

#include <string>

namespace tombolo::net {

/// Thrown when TLS itself fails on an open connection: the other side broke the protocol, refused ours, or the connection ended without a
/// good-bye. The text has what OpenSSL said, and what may be done. The stream is good for closing only.
class tls_error : public broken_stream {
public:
    explicit tls_error(const std::string& what) : broken_stream(0, what) {}
};

/// Thrown by the handshake when the other side's certificate is not accepted. The text says why, and what to do.
/// Source: ssl.SSLCertVerificationError.
class certificate_rejected : public tls_error {
public:
    certificate_rejected(const std::string& what, int reason) : tls_error(what), reason_(reason) {}
    /// X509_V_ERR_*, as OpenSSL's verify_result has it.
    [[nodiscard]] int reason() const noexcept { return reason_; }

private:
    int reason_;
};

/// Thrown when something is asked about a TLS connection that only the handshake decides. Do any I/O first, or do_handshake().
/// Source: trio.NeedHandshakeError.
class need_handshake : public usage_error {
public:
    using usage_error::usage_error;
};

/// Thrown for certificates, keys and other settings that OpenSSL does not take. The text says which, and why.
class invalid_tls_setting : public usage_error {
public:
    using usage_error::usage_error;
};

}  // namespace tombolo::net
