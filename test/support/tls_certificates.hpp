#pragma once

#include <tombolo/fibers/net/tls_context.hpp>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

// Certificates made on the spot, so that no test depends on files, and none of them expires.
namespace tombolo::testing {

struct certificate_wishes {
    std::string common_name = "a test";
    /// As OpenSSL writes them: "DNS:localhost", "IP:127.0.0.1".
    std::vector<std::string> names = {"DNS:localhost"};
    std::chrono::hours valid_from = std::chrono::hours(-1);  ///< from now on
    std::chrono::hours valid_until = std::chrono::hours(24);
    bool is_authority = false;
};

/// A certificate with its key, which can sign others.
class certified_key {
public:
    /// Signed by itself.
    explicit certified_key(const certificate_wishes& wishes);
    /// Another one, signed by this.
    certified_key issue(const certificate_wishes& wishes = {}) const;

    std::string certificate_text() const;
    /// Encrypted if there is a passphrase.
    std::string key_text(const std::string& passphrase = {}) const;
    net::pem certificate() const { return net::pem::text(certificate_text()); }
    net::pem key() const { return net::pem::text(key_text()); }

private:
    struct parts;
    certified_key(const certificate_wishes& wishes, const parts* signer);
    std::shared_ptr<const parts> parts_;
};

/// An authority of the tests, made once.
const certified_key& test_authority();
/// Signed by it, for localhost and the loopback addresses.
const certified_key& localhost_certificate();

/// Contexts of a client and a server that trust each other by test_authority().
net::tls_context trusting_client(net::tls_client_options options = {});
net::tls_context localhost_server(const net::tls_server_options& options = {});

}  // namespace tombolo::testing
