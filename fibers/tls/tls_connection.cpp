#include "fibers/tls/tls_connection.hpp"

#include <tombolo/fibers/checkpoint.hpp>
#include <tombolo/fibers/errors.hpp>

#include <algorithm>
#include <exception>
#include <mutex>
#include <new>
#include <utility>

namespace tombolo::kernel {
namespace {

// How much is encrypted before it is sent: four records, so that a long send neither takes a copy of everything nor a system call a record.
constexpr std::size_t round_size = 64 * 1024;

/// One task at a time between its construction and its end.
class only_one {
public:
    only_one(bool& taken, const char* what, const char* doing) : taken_(taken) {
        if (taken)
            throw busy_resource(
                std::string(what) + ": another task is " + doing +
                " on this stream; let one task do it, or guard it with a mutex");
        taken_ = true;
    }
    only_one(const only_one&) = delete;
    only_one& operator=(const only_one&) = delete;
    ~only_one() { taken_ = false; }

private:
    bool& taken_;
};

/// True between its construction and its end. Requires: it was false.
class raised {
public:
    explicit raised(bool& flag) noexcept : flag_(flag) { flag_ = true; }
    raised(const raised&) = delete;
    raised& operator=(const raised&) = delete;
    ~raised() { flag_ = false; }

private:
    bool& flag_;
};

}  // namespace

tls_connection::tls_connection(
    std::unique_ptr<stream> transport, const net::tls_context& context, const net::tls_stream_options& options)
    : context_(context), transport_(std::move(transport)), https_compatible_(options.https_compatible) {
    const bool is_client = context.role() == net::tls_role::client;
    if (transport_ == nullptr) throw usage_error("tls_stream: there is no transport (a null pointer)");
    if (!is_client && !options.server_hostname.empty())
        throw usage_error("tls_stream: server_hostname is for clients, and the context is a server's");
    if (is_client && context.verifies_hostname() && options.server_hostname.empty())
        throw usage_error("tls_stream: a client has to say whom it wants to talk to: set server_hostname, or "
                          "verify_hostname = false in the context");
    clear_openssl_errors();
    ssl_.reset(SSL_new(context.native()));
    auto bio = wire_.open_bio();
    if (ssl_ == nullptr) throw std::bad_alloc();
    BIO* const wire = bio.release();
    SSL_set_bio(ssl_.get(), wire, wire);
    if (is_client)
        SSL_set_connect_state(ssl_.get());
    else
        SSL_set_accept_state(ssl_.get());
    if (!options.server_hostname.empty())
        verification_.expect(ssl_.get(), options.server_hostname, context.verifies_hostname());
    verification_.watch(ssl_.get());
}

tls_connection::~tls_connection() = default;

void tls_connection::require_usable(const char* what) const {
    if (condition_ == condition::closed) throw closed_resource(std::string(what) + ": the stream is closed");
    if (condition_ == condition::broken)
        throw broken_stream(0, std::string(what) + ": the stream is broken: " + why_broken_);
}

SSL* tls_connection::require_handshake(const char* what) const {
    if (condition_ == condition::closed) throw closed_resource(std::string(what) + ": the stream is closed");
    if (handshake_ != handshake::done)
        throw net::need_handshake(
            std::string(what) +
            ": that is known when the handshake is done: send or receive first, or call do_handshake()");
    return ssl_.get();
}

void tls_connection::break_down(std::string why) noexcept {
    if (condition_ != condition::good) return;
    condition_ = condition::broken;
    why_broken_ = std::move(why);
}

/// Repeats a call of OpenSSL until it has what it needs. Several tasks may be in here, each with a call of its own: after each wait the
/// state may be any.
template <class Call>
int tls_connection::perform(const char* what, manner how, Call call) {
    kernel::checkpoint_if_cancelled(what);
    for (bool waited = false;; waited = true) {
        require_usable(what);
        const std::uint64_t seen = times_received_;
        const std::size_t before = wire_.outgoing.size();
        clear_openssl_errors();
        const int result = call(ssl_.get());
        const int error = result > 0 ? SSL_ERROR_NONE : SSL_get_error(ssl_.get(), result);
        const openssl_errors errors = drain_openssl_errors();
        const bool wants_more = error == SSL_ERROR_WANT_READ && how != manner::farewell;
        // Only for a read is the other side's good-bye a result. Before the first handshake is done anybody can forge it.
        const bool is_end = error == SSL_ERROR_ZERO_RETURN && how == manner::receiving;
        if (!wants_more && error != SSL_ERROR_NONE && !is_end && error != SSL_ERROR_WANT_READ)
            fail(what, error, errors);
        // A TLS 1.3 server ends its handshake by sending tickets for later sessions. Nobody waits for them, and a client that only sends
        // may never read: sent at once they could block the handshake for ever. The next send takes them along.
        const bool are_tickets = how == manner::handshake && !wants_more && SSL_is_server(ssl_.get()) == 1 &&
            SSL_version(ssl_.get()) == TLS1_3_VERSION;
        // Only for what this call has made: a receiver that waited for the turn of a sender, whose bytes lie there too, would keep
        // the other side from sending, and that one perhaps from receiving.
        const bool has_to_send = wire_.outgoing.size() > before && !are_tickets;
        if (has_to_send)
            flush(what);
        else if (wants_more)
            receive_once(what, seen);
        if (wants_more) continue;
        if (!waited && !has_to_send) kernel::cancel_shielded_checkpoint(what);
        return result;
    }
}

void tls_connection::fail(const char* what, int error, const openssl_errors& errors) {
    const std::string place = std::string(what) + ": ";
    const bool has_ended = errors.first_reason == SSL_R_UNEXPECTED_EOF_WHILE_READING ||
        (error == SSL_ERROR_SYSCALL && errors.first_code == 0 && wire_.ended());
    if (has_ended) {
        saw_end_ = true;
        const std::string why = "the connection ended without TLS's good-bye (close_notify)";
        break_down(why);
        throw net::tls_error(
            place + why +
            ": something may be missing, or somebody in between cut it. Where messages mark their own end, as in HTTP, "
            "https_compatible takes it for the end");
    }
    const int rejected = verification_.reason();
    if (rejected != X509_V_OK && errors.first_reason == SSL_R_CERTIFICATE_VERIFY_FAILED) {
        break_down(verification_.text());
        say_why();
        throw net::certificate_rejected(place + verification_.text(), rejected);
    }
    std::string why = "TLS failed";
    if (error == SSL_ERROR_ZERO_RETURN)
        why = "the other side said good-bye during the handshake";
    else if (!errors.text.empty())
        why += ": " + errors.text;
    else
        why += " (SSL_get_error " + std::to_string(error) + ")";
    if (const std::string advice = advice_for(errors); !advice.empty()) why += ". " + advice;
    break_down(why);
    say_why();
    throw net::tls_error(place + why);
}

/// Sends the alert that OpenSSL has made, so that the other side can say what was wrong; not when another task is just sending. The stream
/// is broken already.
void tls_connection::say_why() {
    if (!sending_turn_.try_lock()) return;
    const std::lock_guard turn(sending_turn_, std::adopt_lock);
    try {
        send_outgoing();
    } catch (const std::exception&) {  // the other side is gone, and the reason of the failure is to be told here
        return;
    }
}

/// Requires: the caller has sending_turn_.
void tls_connection::send_outgoing() {
    in_flight_.clear();
    in_flight_.swap(wire_.outgoing);
    if (!in_flight_.empty()) transport_->send_all(in_flight_);
}

/// Sends everything that is on the wire. Who waits for its turn meanwhile finds its own bytes sent already.
void tls_connection::flush(const char* what) {
    try {
        const std::lock_guard turn(sending_turn_);
        require_usable(what);
        send_outgoing();
    } catch (...) {
        break_down("sending was cancelled or failed, and a part may have been sent");
        throw;
    }
}

void tls_connection::receive_once(const char* what, std::uint64_t seen) {
    const std::lock_guard turn(receiving_turn_);
    if (times_received_ != seen) return;  // what another task received may be what this one needs
    require_usable(what);
    auto& room = wire_.room_to_receive();
    try {
        wire_.received(transport_->receive_some(room));
    } catch (const std::exception& error) {
        break_down(std::string("receiving failed: ") + error.what());
        throw;
    }
    ++times_received_;
}

void tls_connection::ensure_handshake(const char* what) {
    if (handshake_ == handshake::done) return;
    if (handshake_ == handshake::under_way) {
        handshake_over_.wait();
        return require_usable(what);
    }
    kernel::checkpoint_if_cancelled(what);  // a call that was cancelled before has begun nothing
    handshake_ = handshake::under_way;
    try {
        perform(what, manner::handshake, [](SSL* ssl) { return SSL_do_handshake(ssl); });
        if (SSL_is_init_finished(ssl_.get()) != 1) fail(what, SSL_ERROR_SSL, {});
    } catch (...) {
        break_down("the handshake was cancelled or failed");
        handshake_over_.set();
        throw;
    }
    handshake_ = handshake::done;
    handshake_over_.set();
}

void tls_connection::do_handshake() {
    require_usable("tls_stream::do_handshake");
    if (handshake_ == handshake::done) return checkpoint();
    ensure_handshake("tls_stream::do_handshake");
}

void tls_connection::send_round(const char* what, send_cursor& cursor) {
    try {
        perform(what, manner::ordinary, [&](SSL* ssl) {
            for (std::size_t left = round_size; left != 0 && !cursor.at_end();) {
                const const_bytes piece = cursor.next().up_to(left);
                const int written = SSL_write(ssl, piece.data(), static_cast<int>(piece.size()));
                if (written <= 0) return written;
                cursor.advance(static_cast<std::size_t>(written));
                left -= static_cast<std::size_t>(written);
            }
            return 1;
        });
    } catch (...) {
        if (cursor.done() != 0) break_down("a send was cancelled or failed, and a part may have been sent");
        throw;
    }
}

void tls_connection::send_all(std::span<const const_bytes> buffers) {
    constexpr const char* what = "tls_stream::send_all";
    require_usable(what);
    const only_one sender(sending_, what, "sending");
    ensure_handshake(what);
    const raised under_way(in_a_send_);
    send_cursor cursor(buffers);
    if (cursor.at_end()) return checkpoint();
    while (!cursor.at_end()) send_round(what, cursor);
}

std::size_t tls_connection::send_some(std::span<const const_bytes> buffers) {
    constexpr const char* what = "tls_stream::write_some";
    require_usable(what);
    const only_one sender(sending_, what, "sending");
    ensure_handshake(what);
    const raised under_way(in_a_send_);
    send_cursor cursor(buffers);
    send_round(what, cursor);
    return cursor.done();
}

void tls_connection::wait_send_all_might_not_block() {
    constexpr const char* what = "tls_stream::wait_send_all_might_not_block";
    require_usable(what);
    const only_one sender(sending_, what, "sending");
    // A receiving task may have to send too: it waits for its turn then, and its bytes go out when there is room.
    const std::lock_guard turn(sending_turn_);
    require_usable(what);
    transport_->wait_send_all_might_not_block();
}

std::size_t tls_connection::receive_some(mutable_bytes buffer) {
    constexpr const char* what = "tls_stream::receive_some";
    if (buffer.empty())
        throw invalid_count("tls_stream::receive_some: the buffer is empty; it needs room for one byte at least");
    if (condition_ == condition::broken && https_compatible_ && saw_end_) {
        checkpoint();
        return 0;
    }
    require_usable(what);
    const only_one receiver(receiving_, what, "receiving");
    try {
        ensure_handshake(what);
        const int size = static_cast<int>(std::min<std::size_t>(buffer.size(), 1 << 30));
        const int count =
            perform(what, manner::receiving, [&](SSL* ssl) { return SSL_read(ssl, buffer.data(), size); });
        return count > 0 ? static_cast<std::size_t>(count) : 0;
    } catch (const net::tls_error&) {
        if (!https_compatible_ || !saw_end_) throw;
    }
    checkpoint();
    return 0;
}

net::unwrapped_stream tls_connection::unwrap() {
    constexpr const char* what = "tls_stream::unwrap";
    require_usable(what);
    const only_one sender(sending_, what, "sending");
    const only_one receiver(receiving_, what, "receiving");
    ensure_handshake(what);
    kernel::checkpoint_if_cancelled(what);  // a call that was cancelled before has begun nothing
    const raised under_way(in_a_send_);
    try {
        perform(what, manner::ordinary, [](SSL* ssl) {
            const int done = SSL_shutdown(ssl);
            return done == 0 ? SSL_shutdown(ssl) : done;  // 0: ours is sent; the second call reads the other side's
        });
    } catch (...) {
        break_down("unwrap was cancelled or failed");
        throw;
    }
    require_usable(what);  // another task may have closed the transport while the last good-bye was sent
    condition_ = condition::closed;
    return {std::move(transport_), wire_.take_arrived()};
}

void tls_connection::say_goodbye() {
    if (in_a_send_) return;  // in the middle of another task's send the other side has to see a truncation
    try {
        perform("tls_stream::aclose", manner::farewell, [](SSL* ssl) {
            const int done = SSL_shutdown(ssl);
            return done == 0 ? 1 : done;  // the other side's good-bye is not waited for
        });
    } catch (const broken_resource&) {
        return;
    } catch (const busy_resource&) {
        return;
    } catch (const closed_resource&) {
        return;
    }
}

void tls_connection::aclose() {
    if (condition_ == condition::closed) return checkpoint();
    if (condition_ == condition::good && !https_compatible_) {
        try {
            ensure_handshake("tls_stream::aclose");
            say_goodbye();
        } catch (...) {
            close();
            throw;
        }
    }
    condition_ = condition::closed;
    if (transport_ == nullptr) return checkpoint();
    transport_->aclose();
}

void tls_connection::close() noexcept {
    condition_ = condition::closed;
    if (transport_ != nullptr) transport_->close();
}

}  // namespace tombolo::kernel
