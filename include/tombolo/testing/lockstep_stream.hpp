#pragma once

#include <tombolo/base/bytes.hpp>
#include <tombolo/fibers/os/stapled_stream.hpp>

#include <cstddef>
#include <memory>
#include <utility>

namespace tombolo::kernel {
class lockstep_queue;
}  // namespace tombolo::kernel

namespace tombolo::testing {

class lockstep_receive_stream;

/// The sending end of a stream without any buffer: every send waits for its receiver. Code that relies on buffering
/// deadlocks on it, in every test and not only under load. lockstep_stream_one_way_pair() makes both ends; for streams
/// that never wait, use memory streams.
///
/// Lifetime: move-only; not moved or destroyed while a task is in one of its calls. The destructor closes. Not
/// thread-safe.
class lockstep_send_stream {
public:
    lockstep_send_stream(lockstep_send_stream&&) noexcept = default;
    lockstep_send_stream& operator=(lockstep_send_stream&& other) noexcept;
    ~lockstep_send_stream() { close(); }

    /// Returns when the receiver has taken every byte.
    /// Checkpoint: always. Cancellation: a part may have been received; the rest is withdrawn.
    /// Throws: broken_stream; busy_resource when another task is sending; closed_resource; cancelled.
    void send_all(const_bytes bytes);
    /// Returns when a task is receiving, or there will never be one.
    /// Checkpoint: always. Throws: busy_resource when another task is sending; closed_resource; cancelled.
    void wait_send_all_might_not_block();
    /// close(), and a checkpoint.
    /// Checkpoint: always. Throws: cancelled, and it is closed nevertheless.
    void aclose();
    /// The receiver finds the end of the stream. Who sends gets closed_resource. Again: does nothing.
    /// Checkpoint: never.
    void close() noexcept;

private:
    friend std::pair<lockstep_send_stream, lockstep_receive_stream> lockstep_stream_one_way_pair();
    explicit lockstep_send_stream(std::shared_ptr<kernel::lockstep_queue> queue) noexcept : queue_(std::move(queue)) {}

    std::shared_ptr<kernel::lockstep_queue> queue_;  ///< null when moved from
};

/// The receiving end of a stream without any buffer. Lifetime: as lockstep_send_stream.
class lockstep_receive_stream {
public:
    lockstep_receive_stream(lockstep_receive_stream&&) noexcept = default;
    lockstep_receive_stream& operator=(lockstep_receive_stream&& other) noexcept;
    ~lockstep_receive_stream() { close(); }

    /// Waits until a task sends, and takes what fits; 0 when the sender was closed.
    /// Checkpoint: always. Cancellation: nothing was taken. Throws: invalid_count for an empty buffer; busy_resource
    /// when another task is receiving; closed_resource; cancelled.
    std::size_t receive_some(mutable_bytes buffer);
    /// close(), and a checkpoint.
    /// Checkpoint: always. Throws: cancelled, and it is closed nevertheless.
    void aclose();
    /// Who sends gets broken_stream, who receives closed_resource. Again: does nothing. Checkpoint: never.
    void close() noexcept;

private:
    friend std::pair<lockstep_send_stream, lockstep_receive_stream> lockstep_stream_one_way_pair();
    explicit lockstep_receive_stream(std::shared_ptr<kernel::lockstep_queue> queue) noexcept
        : queue_(std::move(queue)) {}

    std::shared_ptr<kernel::lockstep_queue> queue_;  ///< null when moved from
};

/// What is sent into the first comes out of the second.
/// Checkpoint: never. Source: trio.testing.lockstep_stream_one_way_pair.
std::pair<lockstep_send_stream, lockstep_receive_stream> lockstep_stream_one_way_pair();

/// One end of lockstep_stream_pair().
using lockstep_stream = os::stapled_stream<lockstep_send_stream, lockstep_receive_stream>;

/// Two ends that are connected in both directions.
/// Checkpoint: never. Source: trio.testing.lockstep_stream_pair.
std::pair<lockstep_stream, lockstep_stream> lockstep_stream_pair();

}  // namespace tombolo::testing
