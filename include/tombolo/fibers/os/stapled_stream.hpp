#pragma once

#include <tombolo/base/bytes.hpp>
#include <tombolo/fibers/errors.hpp>
#include <tombolo/fibers/kernel/asio_sync_stream.hpp>
#include <tombolo/fibers/stream.hpp>

#include <cstddef>
#include <exception>
#include <span>
#include <utility>

namespace tombolo::kernel {

/// Throws what is left when two things that belong together were closed and either may have failed: both errors in a group; a
/// real error instead of a mere `cancelled`, which the next checkpoint tells again. Nothing when none failed.
void throw_close_errors(std::exception_ptr first, std::exception_ptr second);

}  // namespace tombolo::kernel

namespace tombolo::os {

/// A stream made of two that go one way each: a child's standard input and output, a pair of pipes. Models
/// is_half_closeable_stream, whatever its sending part is, and Boost.Asio's SyncReadStream and SyncWriteStream.
///
/// A part may be a reference type: then it belongs to somebody else, who keeps it alive.
///
/// Lifetime: not moved or destroyed while a task is in one of its calls.
/// Source: trio.StapledStream.
template <is_send_stream Send, is_receive_stream Receive>
class stapled_stream : public kernel::asio_sync_stream<stapled_stream<Send, Receive>> {
public:
    stapled_stream(Send send_part, Receive receive_part)
        : send_part_(std::forward<Send>(send_part)), receive_part_(std::forward<Receive>(receive_part)) {}

    /// Checkpoint: always. Cancellation, Throws: as the sending part says.
    void send_all(const_bytes bytes) { send_part_.send_all(bytes); }
    /// Checkpoint: always. Throws: as the sending part says.
    void wait_send_all_might_not_block() { send_part_.wait_send_all_might_not_block(); }
    /// Ends the sending part by its own send_eof() if it has one, else by closing it.
    /// Checkpoint: always. Throws: closed_resource after close(); as the sending part says.
    void send_eof() {
        // Only closing may be repeated.
        if (closed_) throw closed_resource("stapled_stream::send_eof: the stream was closed");
        if constexpr (requires { send_part_.send_eof(); })
            send_part_.send_eof();
        else
            send_part_.aclose();
    }
    /// Checkpoint: always. Cancellation, Throws: as the receiving part says.
    std::size_t receive_some(mutable_bytes buffer) { return receive_part_.receive_some(buffer); }

    /// Closes both parts, the sending one first; the other one also when that fails or is cancelled.
    /// Checkpoint: always. Throws: what the parts throw, both in a group if both fail; cancelled.
    void aclose() {
        closed_ = true;
        std::exception_ptr first = error_of_closing(send_part_);
        std::exception_ptr second = error_of_closing(receive_part_);
        kernel::throw_close_errors(std::move(first), std::move(second));
    }
    /// Checkpoint: never.
    void close() noexcept {
        closed_ = true;
        send_part_.close();
        receive_part_.close();
    }

    std::remove_reference_t<Send>& send_part() noexcept { return send_part_; }
    std::remove_reference_t<Receive>& receive_part() noexcept { return receive_part_; }

private:
    friend kernel::asio_sync_stream<stapled_stream>;
    std::size_t send_some_of(std::span<const const_bytes> buffers) {
        send_part_.send_all(buffers.front());
        return buffers.front().size();
    }
    template <class Part>
    static std::exception_ptr error_of_closing(Part& part) {
        try {
            part.aclose();
            return nullptr;
        } catch (...) {
            return std::current_exception();
        }
    }

    Send send_part_;
    Receive receive_part_;
    bool closed_ = false;
};

template <class Send, class Receive>
stapled_stream(Send, Receive) -> stapled_stream<Send, Receive>;

}  // namespace tombolo::os
