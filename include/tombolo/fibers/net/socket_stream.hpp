#pragma once

#include <tombolo/fibers/kernel/asio_sync_stream.hpp>
#include <tombolo/fibers/net/socket.hpp>
#include <tombolo/fibers/stream.hpp>

#include <cstddef>
#include <cstdint>
#include <span>

namespace tombolo::net {

/// A stream over a connected socket: what tcp_stream and unix_stream have in common. Models is_half_closeable_stream, and Boost.Asio's
/// SyncReadStream and SyncWriteStream.
///
/// Lifetime: move-only; not moved or destroyed while a task is in one of its calls. The destructor closes by force.
/// Source: trio.SocketStream.
class socket_stream : public kernel::asio_sync_stream<socket_stream> {
public:
    /// Not connected: every call throws closed_resource.
    socket_stream() noexcept = default;
    /// Throws: invalid_descriptor when it is no stream socket, or not connected.
    explicit socket_stream(net::socket connected);

    /// Returns when the system has taken all. Sending nothing is a checkpoint and checks that the stream is open.
    /// Checkpoint: always. Cancellation: a part may have been sent; the stream is good for closing only.
    /// Throws: broken_stream; busy_resource when another task is sending; closed_resource, also after send_eof(); cancelled.
    void send_all(const_bytes bytes);
    /// From several buffers in their order, with as few system calls as may be. Otherwise the same.
    void send_all(std::span<const const_bytes> buffers);
    /// Checkpoint: always. Throws: as send_all().
    void wait_send_all_might_not_block();
    /// Sends `count` bytes of a file, from `offset` on, without copying them through the program. Returns how many it sent: fewer when
    /// the file ends before. Checkpoint: always. Cancellation, Throws: as send_all(); io_error when the file cannot be read.
    std::uint64_t send_file(int file, std::uint64_t offset, std::uint64_t count);
    /// Ends the sending side: the other end reads what was sent, then the end of the stream. Again: a checkpoint, no more.
    /// Checkpoint: always. Throws: broken_stream; busy_resource when another task is sending; closed_resource; cancelled.
    void send_eof();

    /// Waits for bytes and puts up to buffer.size() of them into it; 0 at the end of the stream.
    /// Checkpoint: always. Cancellation: nothing was taken. Throws: broken_stream; busy_resource when another task is receiving;
    /// closed_resource; invalid_count for an empty buffer; cancelled.
    std::size_t receive_some(mutable_bytes buffer);

    /// close(), and a checkpoint: there is nothing to wait for. Checkpoint: always. Throws: cancelled, and it is closed nevertheless.
    void aclose();
    /// Who waits in a call gets closed_resource. Again: does nothing. Checkpoint: never.
    void close() noexcept { socket_.close(); }
    bool is_open() const noexcept { return socket_.is_open(); }

    /// For options, endpoints and the descriptor.
    net::socket& socket() noexcept { return socket_; }
    const net::socket& socket() const noexcept { return socket_; }
    /// Checkpoint: never. Throws: io_error; closed_resource.
    endpoint local_endpoint() const { return socket_.local_endpoint(); }
    endpoint remote_endpoint() const { return socket_.remote_endpoint(); }

private:
    friend kernel::asio_sync_stream<socket_stream>;
    std::size_t send_some_of(std::span<const const_bytes> buffers);
    void require_sending(const char* what) const;
    void send_nothing(const char* what);
    static long sent_or_throw(long result, const char* what);

    net::socket socket_;
    bool sending_ = false;
    bool receiving_ = false;
};

}  // namespace tombolo::net
