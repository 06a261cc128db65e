#include "test/support/tls_certificates.hpp"

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <stdexcept>

namespace tombolo::testing {
namespace {

void require(bool succeeded) {
    if (!succeeded) throw std::runtime_error("a test's certificate could not be made");
}

void add_extension(X509* certificate, X509* signer, int kind, const std::string& value) {
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, signer, certificate, nullptr, nullptr, 0);
    X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, kind, value.c_str());
    require(extension != nullptr);
    require(X509_add_ext(certificate, extension, -1) == 1);
    X509_EXTENSION_free(extension);
}

void name_subject(X509* certificate, const std::string& common_name) {
    X509_NAME* const name = X509_get_subject_name(certificate);
    const auto* bytes = reinterpret_cast<const unsigned char*>(common_name.c_str());
    require(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, bytes, -1, -1, 0) == 1);
}

void number(X509* certificate) {
    unsigned char bytes[8];
    require(RAND_bytes(bytes, sizeof bytes) == 1);
    bytes[0] = static_cast<unsigned char>((bytes[0] & 0x7f) | 1);
    BIGNUM* const serial = BN_bin2bn(bytes, sizeof bytes, nullptr);
    require(serial != nullptr && BN_to_ASN1_INTEGER(serial, X509_get_serialNumber(certificate)) != nullptr);
    BN_free(serial);
}

template <class Write>
std::string written_by(Write write) {
    const std::unique_ptr<BIO, decltype(&BIO_free)> out(BIO_new(BIO_s_mem()), &BIO_free);
    require(out != nullptr && write(out.get()) == 1);
    char* text = nullptr;
    const long size = BIO_get_mem_data(out.get(), &text);
    return std::string(text, static_cast<std::size_t>(size));
}

}  // namespace

struct certified_key::parts {
    std::unique_ptr<X509, decltype(&X509_free)> certificate{X509_new(), &X509_free};
    std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key{EVP_EC_gen("P-256"), &EVP_PKEY_free};
};

certified_key::certified_key(const certificate_wishes& wishes) : certified_key(wishes, nullptr) {}

certified_key certified_key::issue(const certificate_wishes& wishes) const { return {wishes, parts_.get()}; }

certified_key::certified_key(const certificate_wishes& wishes, const parts* signer) {
    const auto made = std::make_shared<parts>();
    X509* const certificate = made->certificate.get();
    X509* const issuer = signer == nullptr ? certificate : signer->certificate.get();
    EVP_PKEY* const issuer_key = signer == nullptr ? made->key.get() : signer->key.get();
    require(certificate != nullptr && made->key != nullptr);
    require(X509_set_version(certificate, X509_VERSION_3) == 1);
    number(certificate);
    name_subject(certificate, wishes.common_name);
    require(X509_set_issuer_name(certificate, X509_get_subject_name(issuer)) == 1);
    require(X509_set_pubkey(certificate, made->key.get()) == 1);
    require(X509_gmtime_adj(X509_getm_notBefore(certificate), wishes.valid_from / std::chrono::seconds(1)) != nullptr);
    require(X509_gmtime_adj(X509_getm_notAfter(certificate), wishes.valid_until / std::chrono::seconds(1)) != nullptr);
    add_extension(certificate, issuer, NID_subject_key_identifier, "hash");
    add_extension(certificate, issuer, NID_basic_constraints, wishes.is_authority ? "critical,CA:TRUE" : "CA:FALSE");
    std::string names;
    for (const std::string& name : wishes.names) names += (names.empty() ? "" : ",") + name;
    if (!names.empty()) add_extension(certificate, issuer, NID_subject_alt_name, names);
    require(X509_sign(certificate, issuer_key, EVP_sha256()) != 0);
    parts_ = made;
}

std::string certified_key::certificate_text() const {
    return written_by([&](BIO* out) { return PEM_write_bio_X509(out, parts_->certificate.get()); });
}

std::string certified_key::key_text(const std::string& passphrase) const {
    const EVP_CIPHER* const cipher = passphrase.empty() ? nullptr : EVP_aes_128_cbc();
    const auto* bytes = reinterpret_cast<const unsigned char*>(passphrase.data());
    return written_by([&](BIO* out) {
        return PEM_write_bio_PrivateKey(
            out, parts_->key.get(), cipher, passphrase.empty() ? nullptr : bytes, static_cast<int>(passphrase.size()),
            nullptr, nullptr);
    });
}

const certified_key& test_authority() {
    static const certified_key made({.common_name = "the tests' authority", .names = {}, .is_authority = true});
    return made;
}

const certified_key& localhost_certificate() {
    static const certified_key made = test_authority().issue(
        {.common_name = "a server of the tests", .names = {"DNS:localhost", "IP:127.0.0.1", "IP:::1"}});
    return made;
}

net::tls_context trusting_client(net::tls_client_options options) {
    options.authorities.push_back(test_authority().certificate());
    options.system_authorities = false;
    return net::tls_context::client(options);
}

net::tls_context localhost_server(const net::tls_server_options& options) {
    return net::tls_context::server(localhost_certificate().certificate(), localhost_certificate().key(), options);
}

}  // namespace tombolo::testing
