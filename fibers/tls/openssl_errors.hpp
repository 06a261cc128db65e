#pragma once

#include <string>

// OpenSSL's errors lie in a queue that belongs to the thread, and so to every task of the run: it is cleared before each call and drained
// directly behind it. No checkpoint may come between.
namespace tombolo::kernel {

struct openssl_errors {
    std::string text;      ///< what OpenSSL said, the first cause first; may be empty
    int first_reason = 0;  ///< SSL_R_* where the first error is one of libssl, else 0
    unsigned long first_code = 0;
};

void clear_openssl_errors() noexcept;
/// Takes everything out of the thread's queue.
openssl_errors drain_openssl_errors();

/// What may be done about an error of a handshake or of a connection; empty when there is nothing to say.
std::string advice_for(const openssl_errors& errors);

}  // namespace tombolo::kernel
