#pragma once

#include <tombolo/base/bytes.hpp>

#include <concepts>
#include <cstddef>
#include <memory>
#include <utility>

namespace tombolo {

/// What every stream, listener and process pipe has: two ways to be closed.
///
/// `aclose()` closes in order, and may wait for that: TLS says good-bye, a buffer is written out. It is always a checkpoint, and
/// the resource is closed when it returns or throws, also when it was cancelled: then by force. `close()` closes by force, at once;
/// never a checkpoint. Destructors do the same. Both may be repeated. Who waits in a call of the resource meanwhile gets
/// closed_resource, and so does every later call.
/// Source: trio.abc.AsyncResource, trio.aclose_forcefully.
template <class T>
concept closable = requires(T& resource) {
    { resource.aclose() } -> std::same_as<void>;
    { resource.close() } noexcept -> std::same_as<void>;
};

/// Takes bytes. `send_all(bytes)` returns when all are sent or buffered; sending nothing checks for errors and is a checkpoint.
/// Cancelled or failed, it may have sent a part: the stream is good for closing only. `wait_send_all_might_not_block()` may return
/// too early, never too late. One task at a time; others get busy_resource. broken_resource when the other side is gone.
/// Source: trio.abc.SendStream.
template <class T>
concept is_send_stream = closable<T> && requires(T& stream, const_bytes bytes) {
    { stream.send_all(bytes) } -> std::same_as<void>;
    { stream.wait_send_all_might_not_block() } -> std::same_as<void>;
};

/// Gives bytes. `receive_some(buffer)` waits until there is at least one, and returns how many it put into the buffer; 0 when the
/// other side has sent its last, and then again each time. A cancelled call has taken nothing. An empty buffer is refused.
/// Source: trio.abc.ReceiveStream.
template <class T>
concept is_receive_stream = closable<T> && requires(T& stream, mutable_bytes buffer) {
    { stream.receive_some(buffer) } -> std::same_as<std::size_t>;
};

/// Both. Source: trio.abc.Stream.
template <class T>
concept is_stream = is_send_stream<T> && is_receive_stream<T>;

/// Its sending side can be ended on its own: `send_eof()`, which may be repeated; to send afterwards is closed_resource.
/// Source: trio.abc.HalfCloseableStream.
template <class T>
concept is_half_closeable_stream = is_stream<T> && requires(T& stream) {
    { stream.send_eof() } -> std::same_as<void>;
};

/// `accept()` waits for the next connection. A cancelled call has taken none. Source: trio.abc.Listener.
template <class T>
concept is_listener = closable<T> && requires(T& listener) {
    { listener.accept() } -> closable;
};

/// The same contracts as abstract classes, for code that must not be a template. make_stream() wraps any stream.
class send_stream {
public:
    virtual ~send_stream() = default;
    /// Checkpoint: always. Throws: as is_send_stream says.
    virtual void send_all(const_bytes bytes) = 0;
    /// Checkpoint: always. Throws: as is_send_stream says.
    virtual void wait_send_all_might_not_block() = 0;
    /// Checkpoint: always.
    virtual void aclose() = 0;
    /// Checkpoint: never.
    virtual void close() noexcept = 0;
};

class receive_stream {
public:
    virtual ~receive_stream() = default;
    /// Checkpoint: always. Throws: as is_receive_stream says.
    virtual std::size_t receive_some(mutable_bytes buffer) = 0;
    /// Checkpoint: always.
    virtual void aclose() = 0;
    /// Checkpoint: never.
    virtual void close() noexcept = 0;
};

class stream : public send_stream, public receive_stream {
public:
    void aclose() override = 0;
    void close() noexcept override = 0;
};

namespace kernel {
template <is_stream S>
class wrapped_stream final : public stream {
public:
    explicit wrapped_stream(S inner) : inner_(std::move(inner)) {}
    void send_all(const_bytes bytes) override { inner_.send_all(bytes); }
    void wait_send_all_might_not_block() override { inner_.wait_send_all_might_not_block(); }
    std::size_t receive_some(mutable_bytes buffer) override { return inner_.receive_some(buffer); }
    void aclose() override { inner_.aclose(); }
    void close() noexcept override { inner_.close(); }
    S& inner() noexcept { return inner_; }

private:
    S inner_;
};
}  // namespace kernel

/// Any stream behind the abstract interface.
/// Checkpoint: never.
template <is_stream S>
[[nodiscard]] std::unique_ptr<stream> make_stream(S inner) {
    return std::make_unique<kernel::wrapped_stream<S>>(std::move(inner));
}

}  // namespace tombolo
