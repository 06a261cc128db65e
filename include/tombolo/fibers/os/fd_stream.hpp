#pragma once

#include <tombolo/base/bytes.hpp>
#include <tombolo/base/unique_fd.hpp>
#include <tombolo/fibers/io_error.hpp>
#include <tombolo/fibers/kernel/asio_sync_stream.hpp>
#include <tombolo/fibers/kernel/owned_fd.hpp>
#include <tombolo/fibers/stream.hpp>

#include <cstddef>
#include <span>

namespace tombolo::os {

/// A stream over a descriptor: a pipe, a terminal, one end of a socketpair, a serial line. Models is_stream, and Boost.Asio's
/// SyncReadStream and SyncWriteStream; which of its two directions works depends on the descriptor. Use net::tcp_stream and
/// net::unix_stream for connections, os::file for regular files.
///
/// It takes the descriptor over and makes it non-blocking. That is a property of what was opened, not of the descriptor: a
/// duplicate, also one in another process, becomes non-blocking with it. So think twice before you give it standard output,
/// which a shell shares with others. Nothing is restored when the descriptor is released or closed.
///
/// Writing to a pipe that nobody reads any more is broken_stream; SIGPIPE is not raised.
///
/// Lifetime: move-only; not moved or destroyed while a task is in one of its calls. The destructor closes by force. Belongs to the
/// run in which it first waits; release() the descriptor to hand it to another run.
/// Source: trio.lowlevel.FdStream, which restores the descriptor's mode.
class fd_stream : public kernel::asio_sync_stream<fd_stream> {
public:
    /// Closed: every call throws closed_resource.
    fd_stream() noexcept = default;
    /// Throws: invalid_descriptor when it is not open, or is of a kind that cannot be waited for: a regular file, a directory, a
    /// block device, /dev/null. It is closed then.
    explicit fd_stream(unique_fd fd);

    /// Returns when the system has taken all. Sending nothing is a checkpoint and checks that the stream is open.
    /// Checkpoint: always. Cancellation: a part may have been sent; the stream is good for closing only.
    /// Throws: broken_stream; busy_resource when another task is sending; closed_resource; cancelled.
    void send_all(const_bytes bytes);
    /// From several buffers in their order, with as few system calls as may be. Otherwise the same.
    void send_all(std::span<const const_bytes> buffers);
    /// Checkpoint: always. Throws: as send_all().
    void wait_send_all_might_not_block();

    /// Waits for bytes and puts up to buffer.size() of them into it; 0 at the end of the stream.
    /// Checkpoint: always. Cancellation: nothing was taken. Throws: broken_stream; busy_resource when another task is receiving;
    /// closed_resource; invalid_count for an empty buffer; cancelled.
    std::size_t receive_some(mutable_bytes buffer);

    /// close(), and a checkpoint: there is nothing to wait for.
    /// Checkpoint: always. Throws: cancelled, and it is closed nevertheless.
    void aclose();
    /// Who waits in a call gets closed_resource. Again: does nothing.
    /// Checkpoint: never.
    void close() noexcept { fd_.close(); }
    bool is_open() const noexcept { return fd_.is_open(); }

    /// The descriptor, for system calls that tombolo does not have; -1 when closed. It is not to be closed.
    int fd() const noexcept { return fd_.get(); }
    /// Gives the descriptor away, non-blocking as it is. Who waits in a call gets closed_resource.
    /// Checkpoint: never. Throws: closed_resource.
    [[nodiscard]] unique_fd release();

private:
    friend kernel::asio_sync_stream<fd_stream>;
    std::size_t send_some_of(std::span<const const_bytes> buffers);
    std::size_t send_part(std::span<const const_bytes> buffers, std::size_t skip);

    kernel::owned_fd fd_;
    bool sending_ = false;
    bool receiving_ = false;
    bool quiet_write_ = true;  ///< no system call has said yet that it cannot leave SIGPIPE out
};

struct pipe_ends {
    fd_stream reader;
    fd_stream writer;
};

/// A pipe: what is sent to the writer comes out of the reader, in this process or in children that are given an end.
/// `auto [reader, writer] = os::open_pipe();`
/// Checkpoint: never. Throws: io_error, with EMFILE and ENFILE when there are no descriptors left.
[[nodiscard]] pipe_ends open_pipe();

}  // namespace tombolo::os
