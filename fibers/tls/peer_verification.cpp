#include "fibers/tls/peer_verification.hpp"

#include <tombolo/fibers/errors.hpp>

#include <openssl/asn1.h>
#include <openssl/bio.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <cstddef>
#include <memory>

namespace tombolo::kernel {
namespace {

std::string name_of_subject(const X509* certificate) {
    const std::unique_ptr<BIO, decltype(&BIO_free)> out(BIO_new(BIO_s_mem()), &BIO_free);
    if (out == nullptr || X509_NAME_print_ex(out.get(), X509_get_subject_name(certificate), 0, XN_FLAG_RFC2253) < 0)
        return {};
    char* text = nullptr;
    const long size = BIO_get_mem_data(out.get(), &text);
    return std::string(text, static_cast<std::size_t>(size));
}

/// The names of hosts that the certificate is for, as far as a text should go.
std::string hosts_of(const X509* certificate) {
    constexpr int most_names = 8;
    const std::unique_ptr<GENERAL_NAMES, decltype(&GENERAL_NAMES_free)> all(
        static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)),
        &GENERAL_NAMES_free);
    std::string hosts;
    for (int i = 0; all != nullptr && i < sk_GENERAL_NAME_num(all.get()); ++i) {
        if (i == most_names) return hosts + ", ...";
        int type = 0;
        const void* value = GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(all.get(), i), &type);
        if (type != GEN_DNS) continue;
        const auto* name = static_cast<const ASN1_STRING*>(value);
        if (!hosts.empty()) hosts += ", ";
        hosts.append(
            reinterpret_cast<const char*>(ASN1_STRING_get0_data(name)),
            static_cast<std::size_t>(ASN1_STRING_length(name)));
    }
    return hosts;
}

std::string remedy_for(int reason, const std::string& names) {
    switch (reason) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
    case X509_V_ERR_CERT_NOT_YET_VALID:
        return "It must be renewed there, or the clock of this machine is wrong.";
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
        return "Who signed it is not trusted here: if it should be, name it in the option authorities.";
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
        return "Who signed it is not trusted here: install ca-certificates, name it in the option authorities, or have "
               "the other side "
               "send its whole chain.";
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
        return "It is for " + (names.empty() ? "no host name at all" : names) +
            ": connect by such a name, or give it as server_hostname.";
    case X509_V_ERR_CERT_REVOKED:
        return "Do not talk to it.";
    default:
        return "See the options of tls_context.";
    }
}

bool is_address(const std::string& name) {
    const std::unique_ptr<ASN1_OCTET_STRING, decltype(&ASN1_OCTET_STRING_free)> address(
        a2i_IPADDRESS(name.c_str()), &ASN1_OCTET_STRING_free);
    return address != nullptr;
}

bool may_stand_in_a_name(char c) noexcept {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
        c == '_';
}

}  // namespace

void peer_verification::expect(SSL* ssl, const std::string& name, bool verify) {
    expected_ = name;
    std::string printable = name;  // a zero would cut the text short
    std::ranges::replace_if(printable, [](char c) { return c >= 0 && c < ' '; }, '?');
    const std::string quoted = "tls_stream: server_hostname \"" + printable + "\"";
    if (name.find('\0') == std::string::npos && is_address(name)) {
        if (verify && X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name.c_str()) != 1)
            throw usage_error(quoted + " cannot be verified as an address.");
        return;  // addresses are never sent as a server name: RFC 6066
    }
    // A name may end in a dot (it is absolute then); certificates never do.
    const std::string host = name.ends_with('.') ? name.substr(0, name.size() - 1) : name;
    if (host.empty() || host.size() > 253 || !std::ranges::all_of(host, may_stand_in_a_name))
        throw usage_error(
            quoted +
            " is neither a host name nor an IP address. Write names of other scripts in their xn-- form, and addresses "
            "without brackets, port and zone.");
    if (SSL_set_tlsext_host_name(ssl, host.c_str()) != 1) throw usage_error(quoted + " cannot be sent to the server.");
    if (!verify) return;
    // The subject's common name is no host name: RFC 6125, as browsers and Python have it.
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
    if (SSL_set1_host(ssl, host.c_str()) != 1) throw usage_error(quoted + " cannot be verified.");
}

void peer_verification::watch(SSL* ssl) {
    if (SSL_get_verify_callback(ssl) != nullptr) return;
    SSL_set_app_data(ssl, this);
    SSL_set_verify(ssl, SSL_get_verify_mode(ssl), note);
}

int peer_verification::note(int accepted, X509_STORE_CTX* store) {
    if (accepted == 1) return accepted;
    const auto* ssl = static_cast<const SSL*>(X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()));
    auto* self = static_cast<peer_verification*>(SSL_get_app_data(ssl));
    if (self == nullptr || self->reason_ != X509_V_OK) return accepted;
    self->reason_ = X509_STORE_CTX_get_error(store);
    self->depth_ = X509_STORE_CTX_get_error_depth(store);
    try {
        if (const X509* certificate = X509_STORE_CTX_get_current_cert(store)) {
            self->subject_ = name_of_subject(certificate);
            self->names_ = hosts_of(certificate);
        }
    } catch (...) {  // out of memory inside a callback in C: the reason is noted, the names are not
        self->names_.clear();
    }
    return accepted;
}

std::string peer_verification::text() const {
    std::string said =
        "the certificate of " + (expected_.empty() ? "the other side" : "\"" + expected_ + "\"") + " is not accepted: ";
    said += X509_verify_cert_error_string(reason_);
    if (!subject_.empty()) said += depth_ == 0 ? " (" + subject_ + ")" : " (" + subject_ + ", in its chain)";
    return said + ". " + remedy_for(reason_, names_);
}

}  // namespace tombolo::kernel
