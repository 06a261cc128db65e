#include <tombolo/fibers/net/tls_context.hpp>

#include "fibers/tls/openssl_errors.hpp"
#include "fibers/tls/pem_objects.hpp"
#include "fibers/tls/tls_settings.hpp"

#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <new>
#include <string_view>

namespace tombolo::net {
namespace {

using kernel::tls_settings;

[[noreturn]] void refuse(const std::string& why) {
    const std::string said = kernel::drain_openssl_errors().text;
    throw invalid_tls_setting("tls_context: " + why + (said.empty() ? "" : " OpenSSL says: " + said));
}

int number_of(tls_version version) noexcept {
    return version == tls_version::tls_1_2 ? TLS1_2_VERSION : TLS1_3_VERSION;
}

std::shared_ptr<tls_settings> open_settings(tls_role role, tls_version minimum, tls_version maximum) {
    if (minimum > maximum) refuse("minimum_version is above maximum_version.");
    kernel::clear_openssl_errors();
    auto settings = std::make_shared<tls_settings>();
    settings->role = role;
    settings->context.reset(SSL_CTX_new(role == tls_role::client ? TLS_client_method() : TLS_server_method()));
    SSL_CTX* const context = settings->context.get();
    if (context == nullptr) refuse("OpenSSL gives no context.");
    SSL_CTX_set_min_proto_version(context, number_of(minimum));
    SSL_CTX_set_max_proto_version(context, number_of(maximum));
    // A write goes on from other buffers after a read was wanted, and OpenSSL keeps no buffers of its own for an idle
    // connection. What waits to receive keeps one record of ours, and what has sent the room of its last round.
    SSL_CTX_set_mode(
        context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
    return settings;
}

void use_certificate(SSL_CTX* context, const pem& chain, const pem& key, const std::string& passphrase) {
    auto certificates = kernel::read_certificates(chain, "tls_context: the certificate chain");
    const auto private_key = kernel::read_key(key, passphrase, "tls_context: the private key");
    kernel::clear_openssl_errors();
    if (SSL_CTX_use_certificate(context, certificates.front().get()) != 1)
        refuse("OpenSSL does not take the certificate.");
    for (std::size_t i = 1; i < certificates.size(); ++i) {
        if (SSL_CTX_add0_chain_cert(context, certificates[i].get()) != 1)
            refuse(
                "OpenSSL does not take the certificate that stands at place " + std::to_string(i + 1) +
                " of the chain.");
        static_cast<void>(certificates[i].release());
    }
    if (SSL_CTX_use_PrivateKey(context, private_key.get()) != 1 || SSL_CTX_check_private_key(context) != 1)
        refuse("the private key is not that of the first certificate of the chain.");
}

void trust(SSL_CTX* context, const std::vector<pem>& authorities, bool name_them_to_clients) {
    X509_STORE* const store = SSL_CTX_get_cert_store(context);
    for (const pem& source : authorities) {
        for (const auto& certificate : kernel::read_certificates(source, "tls_context: authorities")) {
            kernel::clear_openssl_errors();
            if (X509_STORE_add_cert(store, certificate.get()) != 1) refuse("OpenSSL does not take an authority.");
            if (name_them_to_clients && SSL_CTX_add_client_CA(context, certificate.get()) != 1)
                refuse("OpenSSL does not take an authority's name.");
        }
    }
}

/// Each name behind its length.
std::string in_wire_format(const std::vector<std::string>& protocols) {
    std::string wire;
    for (const std::string& name : protocols) {
        if (name.empty() || name.size() > 255)
            refuse("a name in alpn has 1 to 255 bytes, not " + std::to_string(name.size()) + ".");
        wire += static_cast<char>(static_cast<unsigned char>(name.size()));
        wire += name;
    }
    return wire;
}

/// Picks the first of ours that the client offers.
int choose_protocol(
    SSL*, const unsigned char** chosen, unsigned char* size, const unsigned char* offered, unsigned offered_size,
    void* settings) {
    const auto& ours = static_cast<const tls_settings*>(settings)->alpn;
    unsigned char* selected = nullptr;
    const int result = SSL_select_next_proto(
        &selected, size, reinterpret_cast<const unsigned char*>(ours.data()), static_cast<unsigned>(ours.size()),
        offered, offered_size);
    *chosen = selected;
    return result == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

}  // namespace

tls_context tls_context::client(const tls_client_options& options) {
    const auto settings = open_settings(tls_role::client, options.minimum_version, options.maximum_version);
    SSL_CTX* const context = settings->context.get();
    settings->verifies_hostname = options.verify_certificate && options.verify_hostname;
    SSL_CTX_set_verify(context, options.verify_certificate ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, nullptr);
    if (options.system_authorities && SSL_CTX_set_default_verify_paths(context) != 1)
        refuse("the system's authorities cannot be read.");
    trust(context, options.authorities, false);
    if (options.certificate.has_value() != options.key.has_value())
        refuse("a client that shows a certificate needs its key too: give certificate and key, or neither.");
    if (options.certificate) use_certificate(context, *options.certificate, *options.key, options.key_passphrase);
    settings->alpn = in_wire_format(options.alpn);
    if (!settings->alpn.empty()) {
        const auto* wire = reinterpret_cast<const unsigned char*>(settings->alpn.data());
        if (SSL_CTX_set_alpn_protos(context, wire, static_cast<unsigned>(settings->alpn.size())) != 0)
            refuse("OpenSSL does not take alpn.");
    }
    return tls_context(settings);
}

tls_context tls_context::server(const pem& chain, const pem& key, const tls_server_options& options) {
    const auto settings = open_settings(tls_role::server, options.minimum_version, options.maximum_version);
    SSL_CTX* const context = settings->context.get();
    use_certificate(context, chain, key, options.key_passphrase);
    if (options.verify_clients == client_certificates::not_asked) {
        if (!options.authorities.empty()) refuse("authorities are for clients' certificates: set verify_clients too.");
    } else {
        if (options.authorities.empty())
            refuse("verify_clients needs authorities, who sign the clients' certificates.");
        const int missing =
            options.verify_clients == client_certificates::required ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0;
        SSL_CTX_set_verify(context, SSL_VERIFY_PEER | missing, nullptr);
        trust(context, options.authorities, true);
    }
    // Without it a client that comes back with a ticket and a certificate is refused.
    constexpr std::string_view sessions = "tombolo";
    SSL_CTX_set_session_id_context(
        context, reinterpret_cast<const unsigned char*>(sessions.data()), static_cast<unsigned>(sessions.size()));
    settings->alpn = in_wire_format(options.alpn);
    if (!settings->alpn.empty()) SSL_CTX_set_alpn_select_cb(context, choose_protocol, settings.get());
    return tls_context(settings);
}

const tls_context& tls_context::default_client() {
    static const tls_context made = client();
    return made;
}

tls_role tls_context::role() const noexcept { return settings_->role; }

bool tls_context::verifies_hostname() const noexcept { return settings_->verifies_hostname; }

ssl_ctx_st* tls_context::native() const noexcept { return settings_->context.get(); }

}  // namespace tombolo::net
