#include <tombolo/fibers/net/socket_stream.hpp>

#include "fibers/net/native_socket.hpp"

#include <tombolo/fibers/checkpoint.hpp>

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include <netinet/in.h>
#include <netinet/tcp.h>

namespace tombolo::net {

namespace {

/// While it lives, another task's call of the same direction is refused.
class only_one {
public:
    only_one(bool& busy, const char* what, const char* doing) : busy_(busy) {
        if (busy)
            throw busy_resource(
                std::string(what) + ": another task is " + doing +
                " on this stream; let one task do it, or guard it with a mutex");
        busy = true;
    }
    only_one(const only_one&) = delete;
    only_one& operator=(const only_one&) = delete;
    ~only_one() { busy_ = false; }

private:
    bool& busy_;
};

constexpr const char* sending = "sending";

/// What sendfile(2) says of the file that it is to read from.
bool concerns_file(int error) {
    return error == EBADF || error == EINVAL || error == EIO || error == EACCES || error == EOVERFLOW ||
        error == EISDIR || error == ESPIPE;
}

}  // namespace

socket_stream::socket_stream(net::socket connected) : socket_(std::move(connected)) {
    if (socket_.type() != socket_type::stream)
        throw invalid_descriptor("socket_stream: the socket is of a type that has no streams; give a stream socket");
    try {
        static_cast<void>(socket_.remote_endpoint());
    } catch (const io_error& error) {
        throw invalid_descriptor(
            std::string("socket_stream: the socket is not connected; connect it first (") + error.what() + ")");
    }
}

void socket_stream::require_sending(const char* what) const {
    if (socket_.did_shut_down_send())
        throw closed_resource(std::string(what) + ": send_eof() has ended the sending side");
}

std::size_t socket_stream::send_some_of(std::span<const const_bytes> buffers) {
    constexpr const char* what = "write_some";
    const only_one here(sending_, what, sending);
    require_sending(what);
    return static_cast<std::size_t>(sent_or_throw(socket_.send_gathered(buffers, what), what));
}

void socket_stream::send_all(const_bytes bytes) {
    constexpr const char* what = "send_all";
    const only_one here(sending_, what, sending);
    require_sending(what);
    if (bytes.empty()) return send_nothing(what);
    while (!bytes.empty())
        bytes = bytes.from(static_cast<std::size_t>(sent_or_throw(socket_.send_gathered({&bytes, 1}, what), what)));
}

void socket_stream::send_all(std::span<const const_bytes> buffers) {
    constexpr const char* what = "send_all";
    const only_one here(sending_, what, sending);
    require_sending(what);
    std::array<const_bytes, io_vectors::most> window;
    std::size_t sent_of_first = 0;
    bool sent = false;
    while (!buffers.empty()) {
        if (sent_of_first == buffers.front().size()) {
            buffers = buffers.subspan(1);
            sent_of_first = 0;
            continue;
        }
        const std::size_t count = std::min(buffers.size(), window.size());
        std::copy_n(buffers.begin(), count, window.begin());
        window[0] = window[0].from(sent_of_first);
        auto taken = static_cast<std::size_t>(sent_or_throw(socket_.send_gathered({window.data(), count}, what), what));
        sent = true;
        for (taken += sent_of_first; !buffers.empty() && taken >= buffers.front().size(); buffers = buffers.subspan(1))
            taken -= buffers.front().size();
        sent_of_first = taken;
    }
    if (!sent) send_nothing(what);
}

void socket_stream::send_nothing(const char* what) {
    kernel::checkpoint_if_cancelled(what);
    if (!socket_.is_open()) kernel::throw_stream_error(EBADF, what);
    kernel::cancel_shielded_checkpoint(what);
}

long socket_stream::sent_or_throw(long result, const char* what) {
    if (result < 0) kernel::throw_stream_error(static_cast<int>(-result), what);
    return result;
}

void socket_stream::wait_send_all_might_not_block() {
    constexpr const char* what = "wait_send_all_might_not_block";
    const only_one here(sending_, what, sending);
    require_sending(what);
    try {
        socket_.wait_writable();
    } catch (const io_error& error) {
        kernel::throw_stream_error(error.number(), what);
    }
}

std::uint64_t socket_stream::send_file(int file, std::uint64_t offset, std::uint64_t count) {
    constexpr const char* what = "send_file";
    constexpr std::uint64_t most_at_once = 1 << 30;
    const only_one here(sending_, what, sending);
    require_sending(what);
    if (count == 0) {
        send_nothing(what);
        return 0;
    }
    std::uint64_t sent = 0;
    while (sent < count) {
        std::size_t some = 0;
        try {
            some =
                socket_.send_file(file, offset + sent, static_cast<std::size_t>(std::min(count - sent, most_at_once)));
        } catch (const io_error& error) {
            if (concerns_file(error.number())) throw;
            kernel::throw_stream_error(error.number(), what);
        }
        if (some == 0) break;
        sent += some;
    }
    return sent;
}

void socket_stream::send_eof() {
    constexpr const char* what = "send_eof";
    const only_one here(sending_, what, sending);
    kernel::checkpoint_if_cancelled(what);
    if (!socket_.is_open()) kernel::throw_stream_error(EBADF, what);
    if (!socket_.did_shut_down_send()) {
        try {
            socket_.shutdown(shutdown_side::send);
        } catch (const io_error& error) {
            kernel::throw_stream_error(error.number(), what);
        }
    }
    kernel::cancel_shielded_checkpoint(what);
}

std::size_t socket_stream::receive_some(mutable_bytes buffer) {
    constexpr const char* what = "receive_some";
    const only_one here(receiving_, what, "receiving");
    if (buffer.empty()) throw invalid_count("receive_some: the buffer is empty; give room for at least one byte");
    return static_cast<std::size_t>(sent_or_throw(socket_.receive_once(buffer, what), what));
}

void socket_stream::aclose() {
    socket_.close();
    checkpoint();
}

}  // namespace tombolo::net
