#pragma once

#include "test/support/tls_certificates.hpp"

#include <tombolo/fibers/net/tls_stream.hpp>
#include <tombolo/fibers/net/unix_stream.hpp>
#include <tombolo/fibers/nursery.hpp>
#include <tombolo/fibers/stream.hpp>

#include <cstddef>
#include <functional>
#include <string>
#include <utility>

// Two ends of a TLS connection, and what one does with them.
namespace tombolo::testing {

/// What a transport was asked for, and what it is to do.
struct transport_record {
    int sends = 0;
    int receives = 0;
    int closes = 0;
    int orderly_closes = 0;
    int waits_for_room = 0;
    std::size_t sent = 0;
    std::function<void()> before_send = [] {};
    std::function<void()> after_send = [] {};
    std::function<void()> before_receive = [] {};
    std::function<void()> before_wait_for_room = [] {};
    std::function<void()> before_aclose = [] {};
};

/// A stream that keeps a record.
class recorded_stream {
public:
    recorded_stream(net::unix_stream inner, transport_record& record) : inner_(std::move(inner)), record_(&record) {}
    void send_all(const_bytes bytes) {
        ++record_->sends;
        record_->before_send();
        inner_.send_all(bytes);
        record_->sent += bytes.size();
        record_->after_send();
    }
    void wait_send_all_might_not_block() {
        ++record_->waits_for_room;
        record_->before_wait_for_room();
        inner_.wait_send_all_might_not_block();
    }
    std::size_t receive_some(mutable_bytes buffer) {
        ++record_->receives;
        record_->before_receive();
        return inner_.receive_some(buffer);
    }
    void aclose() {
        ++record_->orderly_closes;
        if (inner_.is_open()) record_->before_aclose();
        inner_.aclose();
    }
    void close() noexcept {
        ++record_->closes;
        inner_.close();
    }

private:
    net::unix_stream inner_;
    transport_record* record_;
};

struct tls_pair_options {
    net::tls_context client = trusting_client();
    net::tls_context server = localhost_server();
    net::tls_stream_options client_stream = {.server_hostname = "localhost"};
    net::tls_stream_options server_stream = {};
};

/// Both ends; the handshake has not been done.
struct tls_pair {
    explicit tls_pair(const tls_pair_options& options = {}) {
        auto [near, far] = net::unix_stream::pair();
        client =
            net::tls_stream(recorded_stream(std::move(near), client_transport), options.client, options.client_stream);
        server =
            net::tls_stream(recorded_stream(std::move(far), server_transport), options.server, options.server_stream);
    }
    tls_pair(const tls_pair&) = delete;
    tls_pair& operator=(const tls_pair&) = delete;

    void shake_hands();

    transport_record client_transport;
    transport_record server_transport;
    net::tls_stream client;
    net::tls_stream server;
};

/// Two tasks; returns when both have ended.
inline void both(const std::function<void()>& one, const std::function<void()>& other) {
    open_nursery([&](nursery& n) {
        n.start_soon(one);
        n.start_soon(other);
    });
}

inline void tls_pair::shake_hands() {
    both([&] { client.do_handshake(); }, [&] { server.do_handshake(); });
}

/// Exactly `count` bytes, fewer where the stream ends before.
template <class S>
std::string receive_exactly(S& from, std::size_t count) {
    std::string all(count, '\0');
    std::size_t done = 0;
    while (done < count) {
        const std::size_t some = from.receive_some(mutable_bytes(all.data() + done, count - done));
        if (some == 0) break;
        done += some;
    }
    all.resize(done);
    return all;
}

/// Everything up to the end.
template <class S>
std::string receive_all(S& from) {
    std::string all;
    char part[4096];
    while (const std::size_t some = from.receive_some(part)) all.append(part, some);
    return all;
}

/// Bytes that differ from their neighbours.
inline std::string pattern(std::size_t size, unsigned seed = 1) {
    std::string made(size, '\0');
    for (char& byte : made) {
        seed = seed * 1664525U + 1013904223U;
        byte = static_cast<char>(seed >> 24);
    }
    return made;
}

}  // namespace tombolo::testing
