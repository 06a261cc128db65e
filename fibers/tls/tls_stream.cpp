#include <tombolo/fibers/net/tls_stream.hpp>

#include "fibers/tls/tls_connection.hpp"

#include <tombolo/fibers/checkpoint.hpp>
#include <tombolo/fibers/errors.hpp>

#include <openssl/bio.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <memory>

namespace tombolo::kernel {

void forget_tls_connection::operator()(tls_connection* connection) const noexcept { delete connection; }

}  // namespace tombolo::kernel

namespace tombolo::net {

tls_stream::tls_stream(std::unique_ptr<stream> transport, const tls_context& context, const tls_stream_options& options)
    : connection_(new kernel::tls_connection(std::move(transport), context, options)) {}

kernel::tls_connection& tls_stream::connected(const char* what) const {
    if (connection_ == nullptr) throw closed_resource(std::string(what) + ": the stream is not connected");
    return *connection_;
}

void tls_stream::do_handshake() { connected("tls_stream::do_handshake").do_handshake(); }

void tls_stream::send_all(const_bytes bytes) { send_all(std::span<const const_bytes>(&bytes, 1)); }

void tls_stream::send_all(std::span<const const_bytes> buffers) { connected("tls_stream::send_all").send_all(buffers); }

std::size_t tls_stream::send_some_of(std::span<const const_bytes> buffers) {
    return connected("tls_stream::write_some").send_some(buffers);
}

void tls_stream::wait_send_all_might_not_block() {
    connected("tls_stream::wait_send_all_might_not_block").wait_send_all_might_not_block();
}

std::size_t tls_stream::receive_some(mutable_bytes buffer) {
    return connected("tls_stream::receive_some").receive_some(buffer);
}

unwrapped_stream tls_stream::unwrap() { return connected("tls_stream::unwrap").unwrap(); }

void tls_stream::aclose() {
    if (connection_ == nullptr) return checkpoint();
    connection_->aclose();
}

void tls_stream::close() noexcept {
    if (connection_ != nullptr) connection_->close();
}

bool tls_stream::is_open() const noexcept { return connection_ != nullptr && connection_->is_open(); }

bool tls_stream::is_handshake_done() const noexcept {
    return connection_ != nullptr && connection_->is_handshake_done();
}

std::string tls_stream::version() const {
    return SSL_get_version(connected("tls_stream::version").require_handshake("tls_stream::version"));
}

std::string tls_stream::cipher() const {
    return SSL_get_cipher_name(connected("tls_stream::cipher").require_handshake("tls_stream::cipher"));
}

std::string tls_stream::alpn() const {
    const unsigned char* name = nullptr;
    unsigned size = 0;
    SSL_get0_alpn_selected(connected("tls_stream::alpn").require_handshake("tls_stream::alpn"), &name, &size);
    return size == 0 ? std::string() : std::string(reinterpret_cast<const char*>(name), size);
}

std::string tls_stream::peer_certificate() const {
    constexpr const char* what = "tls_stream::peer_certificate";
    X509* const certificate = SSL_get0_peer_certificate(connected(what).require_handshake(what));
    if (certificate == nullptr) return {};
    const std::unique_ptr<BIO, decltype(&BIO_free)> out(BIO_new(BIO_s_mem()), &BIO_free);
    if (out == nullptr || PEM_write_bio_X509(out.get(), certificate) != 1) throw std::bad_alloc();
    char* text = nullptr;
    const long size = BIO_get_mem_data(out.get(), &text);
    return std::string(text, static_cast<std::size_t>(size));
}

std::string tls_stream::server_name() const {
    constexpr const char* what = "tls_stream::server_name";
    const char* name = SSL_get_servername(connected(what).require_handshake(what), TLSEXT_NAMETYPE_host_name);
    return name == nullptr ? std::string() : std::string(name);
}

stream* tls_stream::erased_transport() const noexcept {
    return connection_ == nullptr ? nullptr : connection_->transport();
}

ssl_st* tls_stream::native() const noexcept { return connection_ == nullptr ? nullptr : connection_->ssl(); }

}  // namespace tombolo::net
