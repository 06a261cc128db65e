#pragma once

#include <tombolo/base/bytes.hpp>
#include <tombolo/fibers/os/stapled_stream.hpp>

#include <cstddef>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace tombolo::kernel {
class memory_queue;
}  // namespace tombolo::kernel

namespace tombolo::testing {

/// Everything there is, where a number of bytes may be given.
inline constexpr std::size_t all_bytes = std::numeric_limits<std::size_t>::max();

/// Takes bytes into memory, without a limit, where a test picks them up with get_data().
///
/// Use it to test code that sends without any I/O, at exactly the points in time that the test wants: the hooks are
/// called in the sending task and may block. memory_stream_one_way_pair() connects one to a memory_receive_stream.
///
/// Each operation lets others run twice before it does anything, so that two tasks that use the stream at the same time
/// are caught by busy_resource.
///
/// Lifetime: move-only; not moved or destroyed while a task is in one of its calls. The destructor closes. Not
/// thread-safe.
/// Source: trio.testing.MemorySendStream.
class memory_send_stream {
public:
    memory_send_stream();
    memory_send_stream(memory_send_stream&&) noexcept = default;
    memory_send_stream& operator=(memory_send_stream&& other) noexcept;
    ~memory_send_stream() { close(); }

    /// Puts the bytes where get_data() finds them, then calls send_all_hook.
    /// Checkpoint: always. Cancellation: nothing was sent; when it ends the hook, everything was.
    /// Throws: busy_resource when another task is sending; closed_resource; what the hook throws; cancelled.
    void send_all(const_bytes bytes);
    /// There is always room: calls wait_send_all_might_not_block_hook.
    /// Checkpoint: always. Cancellation, Throws: as send_all().
    void wait_send_all_might_not_block();
    /// close(), and a checkpoint.
    /// Checkpoint: always. Throws: cancelled, and it is closed nevertheless.
    void aclose();
    /// Ends the stream: get_data() gives what is left, then nothing. Calls close_hook; it may be repeated, and so may
    /// the hook's call. Checkpoint: never.
    void close() noexcept;

    /// Waits for bytes, and takes at most `max_bytes` of what was sent; empty when the stream was closed.
    /// Checkpoint: always. Cancellation: nothing was taken. Throws: invalid_count for no bytes at all; busy_resource
    /// when another task is taking; cancelled.
    std::string get_data(std::size_t max_bytes = all_bytes);
    /// The same without waiting; no value when nothing is there yet.
    /// Checkpoint: never. Throws: invalid_count for no bytes at all; busy_resource when a task waits in get_data().
    std::optional<std::string> try_get_data(std::size_t max_bytes = all_bytes);

    /// Called in the task that calls the method of that name, as its last step. May block, and be empty.
    std::function<void()> send_all_hook;
    std::function<void()> wait_send_all_might_not_block_hook;
    /// Called by close(), so it neither blocks nor throws.
    std::function<void()> close_hook;

private:
    friend std::pair<memory_send_stream, class memory_receive_stream> memory_stream_one_way_pair();
    friend bool memory_stream_pump(memory_send_stream& from, memory_receive_stream& to, std::size_t max_bytes);

    std::shared_ptr<kernel::memory_queue> outgoing_;  ///< null when moved from
    bool in_use_ = false;
};

/// Gives the bytes that a test puts into it with put_data().
///
/// As memory_send_stream: without I/O, with a hook, and with two chances to catch a second user in each operation.
/// Lifetime: move-only; not moved or destroyed while a task is in one of its calls. The destructor closes. Not
/// thread-safe.
/// Source: trio.testing.MemoryReceiveStream.
class memory_receive_stream {
public:
    memory_receive_stream();
    memory_receive_stream(memory_receive_stream&&) noexcept = default;
    memory_receive_stream& operator=(memory_receive_stream&& other) noexcept;
    ~memory_receive_stream() { close(); }

    /// Calls receive_some_hook, then waits for bytes; 0 after put_eof(), when nothing is left.
    /// Checkpoint: always. Cancellation: nothing was taken. Throws: invalid_count for an empty buffer; busy_resource
    /// when another task is receiving; closed_resource; what the hook throws; cancelled.
    std::size_t receive_some(mutable_bytes buffer);
    /// close(), and a checkpoint.
    /// Checkpoint: always. Throws: cancelled, and it is closed nevertheless.
    void aclose();
    /// What was not received is gone. Calls close_hook; it may be repeated, and so may the hook's call.
    /// Checkpoint: never.
    void close() noexcept;

    /// Checkpoint: never. Throws: closed_resource, also after put_eof().
    void put_data(const_bytes bytes);
    /// Checkpoint: never.
    void put_eof() noexcept;

    /// Called in the task that calls receive_some(), before it looks for bytes. May block, and be empty.
    std::function<void()> receive_some_hook;
    /// Called by close(), so it neither blocks nor throws.
    std::function<void()> close_hook;

private:
    friend std::pair<memory_send_stream, memory_receive_stream> memory_stream_one_way_pair();
    friend bool memory_stream_pump(memory_send_stream& from, memory_receive_stream& to, std::size_t max_bytes);
    void require_open() const;

    std::shared_ptr<kernel::memory_queue> incoming_;  ///< null when moved from
    bool in_use_ = false;
};

/// Carries up to `max_bytes` from one stream to the other, or the end of the stream; false when there was nothing to
/// carry.
/// Checkpoint: never. Throws: broken_stream when `to` is closed; invalid_count for no bytes at all; busy_resource when
/// a task waits in get_data(). Source: trio.testing.memory_stream_pump.
bool memory_stream_pump(memory_send_stream& from, memory_receive_stream& to, std::size_t max_bytes = all_bytes);

/// Two connected streams: what is sent into the first can be received from the second at once.
///
/// The hooks of the first make the connection: replace send_all_hook and close_hook to carry the bytes by hand, with
/// memory_stream_pump(), in whatever pieces the test wants.
/// Checkpoint: never. Source: trio.testing.memory_stream_one_way_pair.
std::pair<memory_send_stream, memory_receive_stream> memory_stream_one_way_pair();

/// One end of memory_stream_pair(); its parts, with the hooks, are send_part() and receive_part().
using memory_stream = os::stapled_stream<memory_send_stream, memory_receive_stream>;

/// Two ends that are connected in both directions.
/// Checkpoint: never. Source: trio.testing.memory_stream_pair.
std::pair<memory_stream, memory_stream> memory_stream_pair();

}  // namespace tombolo::testing
