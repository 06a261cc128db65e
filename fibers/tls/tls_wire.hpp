#pragma once

#include <openssl/bio.h>

#include <cstddef>
#include <memory>
#include <vector>

namespace tombolo::kernel {

struct free_bio {
    void operator()(BIO* bio) const noexcept { BIO_free(bio); }
};

/// The connection as OpenSSL sees it: what has arrived and was not read yet, and what is to be sent. OpenSSL never waits here: the task
/// that called it moves the bytes to and from the transport.
///
/// Lifetime: immovable; outlives every BIO of it.
class tls_wire {
public:
    tls_wire() = default;
    tls_wire(const tls_wire&) = delete;
    tls_wire& operator=(const tls_wire&) = delete;

    /// A BIO that reads and writes here. Throws: std::bad_alloc.
    std::unique_ptr<BIO, free_bio> open_bio();

    std::size_t arrived() const noexcept { return end_ - begin_; }
    bool ended() const noexcept { return ended_; }
    std::vector<std::byte> take_arrived();

    /// Room for what arrives next. Requires: arrived() == 0.
    std::vector<std::byte>& room_to_receive();
    /// `count` bytes stand at the beginning of the room; 0 is the end.
    void received(std::size_t count) noexcept;

    std::vector<std::byte> outgoing;

private:
    friend struct tls_wire_bio;

    // Invariants:
    // 1. begin_ <= end_ <= incoming_.size(); what arrived and was not read lies between them.
    std::vector<std::byte> incoming_;
    std::size_t begin_ = 0;
    std::size_t end_ = 0;
    bool ended_ = false;
};

}  // namespace tombolo::kernel
