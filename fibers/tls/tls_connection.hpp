#pragma once

#include "fibers/tls/openssl_errors.hpp"
#include "fibers/tls/peer_verification.hpp"
#include "fibers/tls/tls_wire.hpp"

#include <tombolo/fibers/event.hpp>
#include <tombolo/fibers/net/tls_stream.hpp>
#include <tombolo/fibers/strict_fifo_mutex.hpp>

#include <openssl/ssl.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace tombolo::kernel {

struct free_ssl {
    void operator()(SSL* ssl) const noexcept { SSL_free(ssl); }
};

/// The buffers that a send goes through, and how far it is.
class send_cursor {
public:
    explicit send_cursor(std::span<const const_bytes> buffers) : buffers_(buffers) { skip_empty(); }
    bool at_end() const noexcept { return buffers_.empty(); }
    /// What comes next, without what is done of it. Requires: not at_end().
    const_bytes next() const noexcept { return buffers_.front().from(offset_); }
    void advance(std::size_t count) noexcept {
        offset_ += count;
        done_ += count;
        skip_empty();
    }
    std::size_t done() const noexcept { return done_; }

private:
    void skip_empty() noexcept {
        while (!buffers_.empty() && offset_ == buffers_.front().size()) {
            buffers_ = buffers_.subspan(1);
            offset_ = 0;
        }
    }
    std::span<const const_bytes> buffers_;
    std::size_t offset_ = 0;
    std::size_t done_ = 0;
};

/// What stands behind a tls_stream: the SSL, the wire, and whose turn it is.
///
/// Every operation is a call of OpenSSL that is repeated until it has what it needs (perform). No task waits inside OpenSSL: between its
/// calls the task sends what it left on the wire, or receives, and any other task may call OpenSSL then.
class tls_connection {
public:
    tls_connection(
        std::unique_ptr<stream> transport, const net::tls_context& context, const net::tls_stream_options& options);
    tls_connection(const tls_connection&) = delete;
    tls_connection& operator=(const tls_connection&) = delete;
    ~tls_connection();

    void do_handshake();
    void send_all(std::span<const const_bytes> buffers);
    std::size_t send_some(std::span<const const_bytes> buffers);
    void wait_send_all_might_not_block();
    std::size_t receive_some(mutable_bytes buffer);
    net::unwrapped_stream unwrap();
    void aclose();
    void close() noexcept;

    bool is_open() const noexcept { return condition_ != condition::closed; }
    bool is_handshake_done() const noexcept { return handshake_ == handshake::done; }
    /// Throws: closed_resource; need_handshake.
    SSL* require_handshake(const char* what) const;
    SSL* ssl() const noexcept { return ssl_.get(); }
    stream* transport() const noexcept { return transport_.get(); }

private:
    enum class condition : unsigned char { good, broken, closed };
    enum class handshake : unsigned char { not_begun, under_way, done };
    /// What perform() does differently for these.
    enum class manner : unsigned char { ordinary, handshake, receiving, farewell };

    template <class Call>
    int perform(const char* what, manner how, Call call);
    [[noreturn]] void fail(const char* what, int error, const openssl_errors& errors);
    void say_why();
    void send_outgoing();
    void flush(const char* what);
    void receive_once(const char* what, std::uint64_t seen);

    void ensure_handshake(const char* what);
    void send_round(const char* what, send_cursor& cursor);
    void say_goodbye();
    void require_usable(const char* what) const;
    void break_down(std::string why) noexcept;

    // Invariants:
    // 1. OpenSSL is called only in perform(), and never while its result of an earlier call is still to be read.
    // 2. Who holds sending_turn_ is the only one in a sending call of the transport; receiving_turn_ likewise.
    // 3. condition_ only goes from good to broken to closed.
    net::tls_context context_;
    std::unique_ptr<stream> transport_;
    tls_wire wire_;  // before ssl_, which has a BIO of it
    peer_verification verification_;
    std::unique_ptr<SSL, free_ssl> ssl_;
    strict_fifo_mutex sending_turn_;
    strict_fifo_mutex receiving_turn_;
    event handshake_over_;
    std::vector<std::byte> in_flight_;
    std::uint64_t times_received_ =
        0;  ///< a task that waited for its turn sees from it that somebody received meanwhile
    std::string why_broken_;
    condition condition_ = condition::good;
    handshake handshake_ = handshake::not_begun;
    bool https_compatible_;
    bool sending_ = false;    ///< a task is in a call of which there is one at a time, or waits for room to send
    bool in_a_send_ = false;  ///< a task sends data or unwraps, so that a good-bye would come in the middle
    bool receiving_ = false;
    bool saw_end_ = false;
};

}  // namespace tombolo::kernel
