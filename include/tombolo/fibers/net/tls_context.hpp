#pragma once

#include <tombolo/fibers/net/tls_error.hpp>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

struct ssl_ctx_st;

namespace tombolo::kernel {
struct tls_settings;
}  // namespace tombolo::kernel

namespace tombolo::net {

/// Certificates or a key in PEM form ("-----BEGIN ..."), in a file or in memory.
class pem {
public:
    static pem file(std::string path) { return pem(true, std::move(path)); }
    static pem text(std::string text) { return pem(false, std::move(text)); }

    [[nodiscard]] bool is_file() const noexcept { return is_file_; }
    /// The path, or the text itself.
    [[nodiscard]] const std::string& value() const noexcept { return value_; }

private:
    pem(bool is_file, std::string value) : is_file_(is_file), value_(std::move(value)) {}
    bool is_file_;
    std::string value_;
};

enum class tls_version : unsigned char { tls_1_2, tls_1_3 };
enum class tls_role : unsigned char { client, server };

struct tls_client_options {
    /// Who else is trusted to sign certificates: for a CA of your own.
    std::vector<pem> authorities = {};
    /// Trust what this machine trusts (package ca-certificates; SSL_CERT_FILE and SSL_CERT_DIR override where it is).
    bool system_authorities = true;
    /// False: any certificate will do, which gives anybody in between all that is sent. For experiments.
    bool verify_certificate = true;
    /// False: a trusted certificate of any name will do. For when all that trusted authorities sign is yours.
    bool verify_hostname = true;
    /// To show to servers that ask for one: the chain, the own certificate first, and its key.
    std::optional<pem> certificate = std::nullopt;
    std::optional<pem> key = std::nullopt;
    std::string key_passphrase = {};
    /// Protocols to offer, the best first: {"h2", "http/1.1"}.
    std::vector<std::string> alpn = {};
    tls_version minimum_version = tls_version::tls_1_2;
    tls_version maximum_version = tls_version::tls_1_3;
};

/// Whether a server asks its clients for a certificate, and lets those in that have none.
enum class client_certificates : unsigned char { not_asked, optional, required };

struct tls_server_options {
    client_certificates verify_clients = client_certificates::not_asked;
    /// Who may sign the clients' certificates. Nobody else is trusted.
    std::vector<pem> authorities = {};
    std::string key_passphrase = {};
    /// Protocols that are spoken, the best first. A client that offers only others is refused.
    std::vector<std::string> alpn = {};
    tls_version minimum_version = tls_version::tls_1_2;
    tls_version maximum_version = tls_version::tls_1_3;
};

/// How to speak TLS, and whom to trust: what many connections have in common. Make one at the start and share it: reading certificates
/// takes milliseconds. The defaults are safe.
///
/// Lifetime: a value that shares its OpenSSL context; may be used by several runs and threads. Source: ssl.SSLContext.
class tls_context {
public:
    /// Trusts what the system trusts, and verifies the certificate and the name in it. Reads files in the calling thread.
    /// Checkpoint: never. Throws: io_error for a file; invalid_tls_setting.
    static tls_context client(const tls_client_options& options = {});
    /// `chain` begins with the server's own certificate; what it was signed with follows, but for the root.
    /// Checkpoint: never. Throws: io_error for a file; invalid_tls_setting, also when key and certificate do not match.
    static tls_context server(const pem& chain, const pem& key, const tls_server_options& options = {});
    /// client() without options, made once.
    /// Checkpoint: never. Throws: as client().
    static const tls_context& default_client();

    [[nodiscard]] tls_role role() const noexcept;
    [[nodiscard]] bool verifies_hostname() const noexcept;
    /// OpenSSL's SSL_CTX, for what is not covered here. Set it up before the first connection.
    [[nodiscard]] ssl_ctx_st* native() const noexcept;

private:
    explicit tls_context(std::shared_ptr<const kernel::tls_settings> settings) noexcept
        : settings_(std::move(settings)) {}
    std::shared_ptr<const kernel::tls_settings> settings_;
};

}  // namespace tombolo::net
