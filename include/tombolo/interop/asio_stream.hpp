#pragma once

#include <tombolo/base/bytes.hpp>
#include <tombolo/fibers/errors.hpp>
#include <tombolo/fibers/io_error.hpp>
#include <tombolo/fibers/stream.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/system/error_code.hpp>

#include <array>
#include <cerrno>
#include <cstddef>
#include <memory>
#include <mutex>
#include <type_traits>
#include <utility>

// Beast's, so that this header needs Asio only.
namespace boost::beast {
enum class role_type;
}  // namespace boost::beast

namespace tombolo::interop {

/// The io_context of all asio_streams, while there is one. It costs three descriptors.
inline std::shared_ptr<boost::asio::io_context> shared_idle_context() {
    static std::mutex guard;
    static std::weak_ptr<boost::asio::io_context> current;
    const std::lock_guard lock(guard);
    auto shared = current.lock();
    if (shared == nullptr) current = shared = std::make_shared<boost::asio::io_context>(1);
    return shared;
}

/// One of our streams as Boost's composed classes want it: boost::beast::websocket::stream<asio_stream<net::tcp_stream>>,
/// boost::asio::ssl::stream<asio_stream<net::tcp_stream>>. Use their synchronous functions: they yield under the hood. The streams themselves
/// do for boost::asio::read, boost::beast::http::read and whatever else only calls read_some and write_some. The asynchronous functions need
/// a socket of Asio's.
///
/// Why: those classes ask for an executor, although their synchronous functions use it for nothing. It is that of an io_context that all
/// asio_streams share, that never runs and has no thread.
///
/// `asio_stream<net::tcp_stream&>` refers to a stream instead of owning it.
///
/// Lifetime: as the stream's.
template <class Stream>
    requires(is_stream<std::remove_reference_t<Stream>>)
class asio_stream {
public:
    using stream_type = std::remove_reference_t<Stream>;
    using executor_type = boost::asio::any_io_executor;
    using lowest_layer_type = asio_stream;

    template <class... Args>
        requires(std::is_constructible_v<Stream, Args...>)
    explicit asio_stream(Args&&... args) : stream_(std::forward<Args>(args)...) {}
    asio_stream(asio_stream&&) = default;
    asio_stream& operator=(asio_stream&& other)
        requires(!std::is_reference_v<Stream>)
    {
        stream_ = std::move(other.stream_);
        return *this;
    }

    /// Checkpoint: always, but for empty buffers. Cancellation, Throws: as the stream's; with an error code, what the stream's read_some
    /// turns into one comes there.
    template <class MutableBuffers>
    std::size_t read_some(const MutableBuffers& buffers) {
        return stream_.read_some(buffers);
    }
    template <class MutableBuffers>
    std::size_t read_some(const MutableBuffers& buffers, boost::system::error_code& error) {
        return stream_.read_some(buffers, error);
    }
    /// Checkpoint: always, but for empty buffers. Cancellation, Throws: as read_some().
    template <class ConstBuffers>
    std::size_t write_some(const ConstBuffers& buffers) {
        return stream_.write_some(buffers);
    }
    template <class ConstBuffers>
    std::size_t write_some(const ConstBuffers& buffers, boost::system::error_code& error) {
        return stream_.write_some(buffers, error);
    }

    executor_type get_executor() const { return context_->get_executor(); }
    lowest_layer_type& lowest_layer() noexcept { return *this; }
    const lowest_layer_type& lowest_layer() const noexcept { return *this; }

    stream_type& stream() noexcept { return stream_; }
    const stream_type& stream() const noexcept { return stream_; }

private:
    // Timers of a composed class that was moved from still refer to the context: its layer keeps it too, so this is const and a move copies it.
    const std::shared_ptr<boost::asio::io_context> context_ = shared_idle_context();
    Stream stream_;
};

template <class Stream>
asio_stream(Stream) -> asio_stream<Stream>;

/// What boost::beast::websocket::stream calls when both sides have said good-bye: ends the stream in order. The server ends its side first,
/// so that the client holds the closed connection in its memory, as RFC 6455 wants it.
/// Checkpoint: always. Cancellation: closes the stream by force.
/// Throws: cancelled; busy_resource; usage errors. What else the stream throws comes in `error`, and the stream is closed.
template <class Stream>
void teardown(boost::beast::role_type role, asio_stream<Stream>& layer, boost::system::error_code& error) {
    constexpr auto server = static_cast<boost::beast::role_type>(1);
    auto& stream = layer.stream();
    error = {};
    const auto report = [&](int value) {  // the first error tells most
        if (!error) error = {value, boost::system::system_category()};
    };
    try {
        if constexpr (is_half_closeable_stream<std::remove_reference_t<Stream>>) {
            if (role == server) stream.send_eof();
        }
        std::array<std::byte, 2048> room;
        const std::array<mutable_bytes, 1> buffers{mutable_bytes(room)};
        while (role != server || is_half_closeable_stream<std::remove_reference_t<Stream>>) {
            layer.read_some(buffers, error);
            if (error) break;
        }
        if (error == boost::asio::error::eof) error = {};
        return stream.aclose();
    } catch (const broken_stream& broken) {
        report(broken.code() ? broken.code().value() : EPIPE);
    } catch (const broken_resource&) {
        report(EPIPE);
    } catch (const io_error& failed) {
        report(failed.number());
    } catch (const closed_resource&) {
        report(EBADF);
    } catch (...) {
        stream.close();
        throw;
    }
    stream.close();
}

/// What Beast calls to close a connection at once. Checkpoint: never.
template <class Stream>
void beast_close_socket(asio_stream<Stream>& layer) noexcept {
    layer.stream().close();
}

}  // namespace tombolo::interop
