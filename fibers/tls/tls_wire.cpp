#include "fibers/tls/tls_wire.hpp"

#include <algorithm>
#include <cstring>
#include <new>

namespace tombolo::kernel {
namespace {

// One full record with its header, and more for whoever sends faster than we read.
constexpr std::size_t first_room = 17 * 1024;
constexpr std::size_t most_room = 128 * 1024;

}  // namespace

// OpenSSL's side of the wire: callbacks in C, out of which nothing may be thrown.
struct tls_wire_bio {
    static tls_wire& wire_of(BIO* bio) noexcept { return *static_cast<tls_wire*>(BIO_get_data(bio)); }

    static int read(BIO* bio, char* into, std::size_t size, std::size_t* done) noexcept {
        tls_wire& wire = wire_of(bio);
        BIO_clear_retry_flags(bio);
        *done = std::min(size, wire.arrived());
        if (*done == 0) {
            if (!wire.ended_) BIO_set_retry_read(bio);
            return 0;
        }
        std::memcpy(into, wire.incoming_.data() + wire.begin_, *done);
        wire.begin_ += *done;
        return 1;
    }

    static int write(BIO* bio, const char* from, std::size_t size, std::size_t* done) noexcept {
        tls_wire& wire = wire_of(bio);
        BIO_clear_retry_flags(bio);
        try {
            const auto* bytes = reinterpret_cast<const std::byte*>(from);
            wire.outgoing.insert(wire.outgoing.end(), bytes, bytes + size);
        } catch (...) {  // memory has run out: OpenSSL reports that the write failed
            return 0;
        }
        *done = size;
        return 1;
    }

    static long control(BIO* bio, int command, long, void*) noexcept {
        switch (command) {
        case BIO_CTRL_FLUSH:
            return 1;
        case BIO_CTRL_EOF:
            return wire_of(bio).ended_ && wire_of(bio).arrived() == 0 ? 1 : 0;
        case BIO_CTRL_PENDING:
            return static_cast<long>(wire_of(bio).arrived());
        default:
            return 0;
        }
    }

    static BIO_METHOD* make_method() {
        BIO_METHOD* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "tombolo");
        if (made == nullptr) throw std::bad_alloc();
        BIO_meth_set_read_ex(made, read);
        BIO_meth_set_write_ex(made, write);
        BIO_meth_set_ctrl(made, control);
        return made;
    }
};

std::unique_ptr<BIO, free_bio> tls_wire::open_bio() {
    // Lives as long as the process, as connections may end in its last moments.
    static BIO_METHOD* const method = tls_wire_bio::make_method();
    std::unique_ptr<BIO, free_bio> bio(BIO_new(method));
    if (bio == nullptr) throw std::bad_alloc();
    BIO_set_data(bio.get(), this);
    BIO_set_init(bio.get(), 1);
    return bio;
}

std::vector<std::byte> tls_wire::take_arrived() {
    const std::byte* from = incoming_.data() + begin_;
    std::vector<std::byte> taken(from, from + arrived());
    begin_ = end_;
    return taken;
}

std::vector<std::byte>& tls_wire::room_to_receive() {
    if (incoming_.empty()) incoming_.resize(first_room);
    if (end_ == incoming_.size() && incoming_.size() < most_room) incoming_.resize(2 * incoming_.size());
    return incoming_;
}

void tls_wire::received(std::size_t count) noexcept {
    begin_ = 0;
    end_ = count;
    ended_ = count == 0;
}

}  // namespace tombolo::kernel
