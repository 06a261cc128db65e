#pragma once

#include <tombolo/fibers/net/tls_context.hpp>

#include <openssl/evp.h>
#include <openssl/x509.h>

#include <memory>
#include <string>
#include <vector>

// Certificates and keys out of PEM text. They throw io_error for files and invalid_tls_setting for what is no PEM; `what` names the option
// that they came from.
namespace tombolo::kernel {

struct free_certificate {
    void operator()(X509* certificate) const noexcept { X509_free(certificate); }
};
struct free_key {
    void operator()(EVP_PKEY* key) const noexcept { EVP_PKEY_free(key); }
};
using certificate_ptr = std::unique_ptr<X509, free_certificate>;
using key_ptr = std::unique_ptr<EVP_PKEY, free_key>;

/// At least one.
std::vector<certificate_ptr> read_certificates(const net::pem& source, const std::string& what);
key_ptr read_key(const net::pem& source, const std::string& passphrase, const std::string& what);

}  // namespace tombolo::kernel
