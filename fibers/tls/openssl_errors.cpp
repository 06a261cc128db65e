#include "fibers/tls/openssl_errors.hpp"

#include <openssl/err.h>
#include <openssl/ssl.h>

namespace tombolo::kernel {
namespace {

std::string describe_code(unsigned long code, const char* data) {
    const char* reason = ERR_reason_error_string(code);
    std::string text = reason != nullptr ? reason : "error " + std::to_string(code);
    if (data != nullptr && *data != '\0') text += std::string(" (") + data + ")";
    return text;
}

}  // namespace

void clear_openssl_errors() noexcept { ERR_clear_error(); }

openssl_errors drain_openssl_errors() {
    openssl_errors drained;
    const char* data = nullptr;
    int flags = 0;
    while (const unsigned long code = ERR_get_error_all(nullptr, nullptr, nullptr, &data, &flags)) {
        if (drained.first_code == 0) {
            drained.first_code = code;
            if (ERR_GET_LIB(code) == ERR_LIB_SSL) drained.first_reason = ERR_GET_REASON(code);
        }
        if (!drained.text.empty()) drained.text += "; ";
        drained.text += describe_code(code, (flags & ERR_TXT_STRING) != 0 ? data : nullptr);
    }
    return drained;
}

std::string advice_for(const openssl_errors& errors) {
    switch (errors.first_reason) {
    case SSL_R_WRONG_VERSION_NUMBER:
        return "The other side does not seem to speak TLS: is it the right port, and does it speak TLS from the first "
               "byte?";
    case SSL_R_HTTP_REQUEST:
        return "The client speaks plain HTTP here: it should ask for https.";
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_TLSV1_ALERT_PROTOCOL_VERSION:
    case SSL_R_NO_PROTOCOLS_AVAILABLE:
        return "The two sides have no version of TLS in common: see minimum_version and maximum_version.";
    case SSL_R_TLSV1_ALERT_UNKNOWN_CA:
        return "The other side does not trust who signed our certificate: give it that authority, or send the whole "
               "chain.";
    case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN:
    case SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE:
        return "The other side does not accept our certificate: its own log says why.";
    case SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED:
        return "The server wants a certificate of the client: give the context one.";
    case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
        return "The client has no certificate and this server requires one.";
    case SSL_R_TLSV1_ALERT_NO_APPLICATION_PROTOCOL:
    case SSL_R_NO_APPLICATION_PROTOCOL:
        return "The two sides have no protocol in common: see the option alpn.";
    case SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE:
    case SSL_R_NO_SHARED_CIPHER:
        return "The two sides have no cipher in common, or the server wants a certificate of the client.";
    case SSL_R_APPLICATION_DATA_AFTER_CLOSE_NOTIFY:
        return "The other side sent data that was not received before unwrap(): agree with it on where TLS ends.";
    default:
        return {};
    }
}

}  // namespace tombolo::kernel
