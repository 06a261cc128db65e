#pragma once

#include <tombolo/base/bytes.hpp>
#include <tombolo/fibers/io_error.hpp>

#include <array>
#include <cerrno>
#include <cstddef>
#include <span>
#include <type_traits>
#include <utility>

// Declared here, so that streams model Asio's concepts without showing its headers to those who do not use them. Whoever calls
// read_some with an error code of Boost has included Asio's definition.
namespace boost {
namespace system {
class error_category;
}  // namespace system
namespace asio::error {
const system::error_category& get_misc_category();
}  // namespace asio::error
}  // namespace boost

namespace tombolo {

/// Thrown by the forms of read_some that take no error code, at the end of the stream. Source: boost::asio::error::eof.
class end_of_stream : public runtime_failure {
public:
    end_of_stream() : runtime_failure("read_some: the other side has sent its last; there is nothing more to read") {}
};

namespace kernel {

/// The value of boost::asio::error::eof in the category that get_misc_category() returns.
inline constexpr int asio_eof = 2;

/// Calls `f(first)` for each buffer of an Asio buffer sequence, which may be a single one, until it returns false.
template <class Buffers, class F>
void each_buffer(const Buffers& buffers, F&& f) {
    if constexpr (requires(Buffers copy) { copy.data(), copy += std::size_t{}; }) {
        f(buffers);
    } else {
        for (auto at = buffers.begin(), end = buffers.end(); at != end; ++at)
            if (!f(*at)) return;
    }
}

/// Gives a stream the members that Boost.Asio calls SyncReadStream and SyncWriteStream, so that the synchronous functions of Asio,
/// Beast and their like run on it unchanged. Derived has `receive_some(mutable_bytes)` and `send_some_of(std::span<const const_bytes>)`,
/// which sends at least one byte of them and returns how many.
template <class Derived>
class asio_sync_stream {
public:
    /// Reads at least one byte into the first buffer that is not empty; 0 when there is none.
    /// Checkpoint: always, but for empty buffers. Cancellation: nothing was taken.
    /// Throws: end_of_stream; what receive_some throws.
    template <class MutableBuffers>
    std::size_t read_some(const MutableBuffers& buffers) {
        const mutable_bytes into = first_of(buffers);
        if (into.empty()) return 0;
        const std::size_t count = self().receive_some(into);
        if (count == 0) throw end_of_stream();
        return count;
    }
    /// The same; the end and what the system refused come as boost::asio::error::eof and errno values in `error`.
    /// Throws: cancelled; busy_resource; not_in_task and its kin.
    template <class MutableBuffers, class Error>
    std::size_t read_some(const MutableBuffers& buffers, Error& error) {
        const mutable_bytes into = first_of(buffers);
        error = Error();
        if (into.empty()) return 0;
        const std::size_t count = without_throwing(error, [&] { return self().receive_some(into); });
        if (count == 0 && !error) error = Error(asio_eof, boost::asio::error::get_misc_category());
        return count;
    }

    /// Writes at least one byte of the buffers; 0 when there is none.
    /// Checkpoint: always, but for empty buffers. Cancellation, Throws: as send_all.
    template <class ConstBuffers>
    std::size_t write_some(const ConstBuffers& buffers) {
        std::array<const_bytes, most_buffers> found;
        const std::size_t count = gather(buffers, found);
        return count == 0 ? 0 : self().send_some_of({found.data(), count});
    }
    template <class ConstBuffers, class Error>
    std::size_t write_some(const ConstBuffers& buffers, Error& error) {
        error = Error();
        return without_throwing(error, [&] { return write_some(buffers); });
    }

private:
    static constexpr std::size_t most_buffers = 16;

    Derived& self() noexcept { return static_cast<Derived&>(*this); }

    template <class Buffers>
    static mutable_bytes first_of(const Buffers& buffers) {
        mutable_bytes first;
        each_buffer(buffers, [&](const auto& each) {
            first = {each.data(), each.size()};
            return first.empty();
        });
        return first;
    }

    template <class Buffers>
    static std::size_t gather(const Buffers& buffers, std::array<const_bytes, most_buffers>& found) {
        std::size_t count = 0;
        each_buffer(buffers, [&](const auto& each) {
            if (each.size() != 0) found[count++] = {each.data(), each.size()};
            return count < most_buffers;
        });
        return count;
    }

    template <class Error, class F>
    static std::size_t without_throwing(Error& error, F f) {
        const auto with_errno = [](int value) { return Error(value, Error().category()); };
        try {
            return f();
        } catch (const broken_stream& broken) {
            error = with_errno(broken.code() ? broken.code().value() : EPIPE);
        } catch (const io_error& failed) {
            error = with_errno(failed.number());
        } catch (const closed_resource&) {
            error = with_errno(EBADF);
        }
        return 0;
    }
};

}  // namespace kernel
}  // namespace tombolo
