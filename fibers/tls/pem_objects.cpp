#include "fibers/tls/pem_objects.hpp"

#include "fibers/tls/openssl_errors.hpp"

#include <tombolo/fibers/io_error.hpp>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

namespace tombolo::kernel {
namespace {

struct free_memory {
    void operator()(BIO* bio) const noexcept { BIO_free(bio); }
};
using memory_ptr = std::unique_ptr<BIO, free_memory>;

std::string text_of(const net::pem& source, const std::string& what) {
    if (!source.is_file()) return source.value();
    errno = 0;
    std::ifstream file(source.value(), std::ios::binary);
    std::ostringstream text;
    // An empty file fails too, but without errno: it is the caller who says what is missing in it.
    if (!file || (!(text << file.rdbuf()) && errno != 0))
        throw io_error(errno != 0 ? errno : EIO, what + ": \"" + source.value() + "\"");
    return std::move(text).str();
}

std::string place_of(const net::pem& source) {
    return source.is_file() ? "\"" + source.value() + "\"" : "the text given";
}

memory_ptr open_memory(const std::string& text) {
    memory_ptr memory(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
    if (memory == nullptr) throw std::bad_alloc();
    return memory;
}

[[noreturn]] void refuse(const std::string& what, const std::string& why) {
    const std::string said = drain_openssl_errors().text;
    throw net::invalid_tls_setting(what + ": " + why + (said.empty() ? "" : " OpenSSL says: " + said));
}

/// Without it OpenSSL would ask on the terminal, and block.
int give_passphrase(char* into, int size, int, void* passphrase) {
    const auto& given = *static_cast<const std::string*>(passphrase);
    if (given.empty()) return -1;
    const std::size_t count = std::min(given.size(), static_cast<std::size_t>(size));
    std::memcpy(into, given.data(), count);
    return static_cast<int>(count);
}

}  // namespace

std::vector<certificate_ptr> read_certificates(const net::pem& source, const std::string& what) {
    const std::string text = text_of(source, what);
    clear_openssl_errors();
    const memory_ptr memory = open_memory(text);
    std::string no_passphrase;
    std::vector<certificate_ptr> found;
    while (certificate_ptr next{PEM_read_bio_X509_AUX(memory.get(), nullptr, give_passphrase, &no_passphrase)})
        found.push_back(std::move(next));
    // The end of the text is reported as an error too.
    if (found.empty() || ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
        refuse(what, place_of(source) + " has no readable certificate (-----BEGIN CERTIFICATE-----).");
    clear_openssl_errors();
    return found;
}

key_ptr read_key(const net::pem& source, const std::string& passphrase, const std::string& what) {
    const std::string text = text_of(source, what);
    clear_openssl_errors();
    const memory_ptr memory = open_memory(text);
    std::string given = passphrase;
    key_ptr key(PEM_read_bio_PrivateKey(memory.get(), nullptr, give_passphrase, &given));
    if (key == nullptr)
        refuse(what, place_of(source) + " has no readable private key, or key_passphrase is missing or wrong for it.");
    return key;
}

}  // namespace tombolo::kernel
