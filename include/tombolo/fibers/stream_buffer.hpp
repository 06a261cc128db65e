#pragma once

#include <tombolo/fibers/io_error.hpp>
#include <tombolo/fibers/stream.hpp>

#include <algorithm>
#include <cstddef>
#include <exception>
#include <iostream>
#include <memory>
#include <streambuf>
#include <utility>

namespace tombolo {

/// A std::streambuf over one of our streams, so that old code that wants a std::istream or std::ostream runs on fibers: where it would
/// block, other tasks run. Prefer the stream itself in new code, and stream_iostream where the std::iostream is to be made too.
///
/// Reading waits for some bytes and takes what comes. Written bytes are kept until the buffer is full or flushed: flush before you wait for
/// an answer. What was not flushed when the buffer is destroyed is lost, as destructors do not block.
///
/// Checkpoints: underflow(), overflow() and sync() are such when they have to receive or send; what the buffer has comes at once.
/// Cancellation: `cancelled` is thrown through the streambuf's functions. A std::istream or std::ostream on top takes every exception
/// for badbit, and lets it pass only where `exceptions()` has badbit, which stream_iostream sets. Where it does not, the cancel is not lost:
/// the next checkpoint throws it again.
/// Requires: no std::unitbuf on a std::ostream over it: that flushes in a destructor, out of which nothing may be thrown.
/// Lifetime: the stream outlives it. Immovable.
template <class S>
class stream_buffer : public std::streambuf {
public:
    static constexpr std::size_t default_size = 8192;

    /// Units: `size` in bytes, for either direction; at least one.
    explicit stream_buffer(S& on, std::size_t size = default_size)
        : on_(on), size_(std::max<std::size_t>(size, 1)), incoming_(new char[size_]), outgoing_(new char[size_]) {
        setg(incoming_.get(), incoming_.get(), incoming_.get());
        setp(outgoing_.get(), outgoing_.get() + size_);
    }
    stream_buffer(const stream_buffer&) = delete;
    stream_buffer& operator=(const stream_buffer&) = delete;

    /// What was received and not read yet, for who goes on without the buffer.
    [[nodiscard]] const_bytes received() const noexcept { return {gptr(), static_cast<std::size_t>(egptr() - gptr())}; }

protected:
    int_type underflow() override {
        if (gptr() != egptr()) return traits_type::to_int_type(*gptr());
        const std::size_t count = on_.receive_some(mutable_bytes(incoming_.get(), size_));
        setg(incoming_.get(), incoming_.get(), incoming_.get() + count);
        return count == 0 ? traits_type::eof() : traits_type::to_int_type(*gptr());
    }

    // Large reads go past the buffer.
    std::streamsize xsgetn(char* into, std::streamsize wanted) override {
        std::streamsize done = 0;
        while (done < wanted) {
            const std::streamsize here = std::min<std::streamsize>(egptr() - gptr(), wanted - done);
            traits_type::copy(into + done, gptr(), static_cast<std::size_t>(here));
            gbump(static_cast<int>(here));
            done += here;
            const auto left = static_cast<std::size_t>(wanted - done);
            if (left >= size_) {
                const std::size_t count = on_.receive_some(mutable_bytes(into + done, left));
                if (count == 0) break;
                done += static_cast<std::streamsize>(count);
            } else if (left != 0 && traits_type::eq_int_type(underflow(), traits_type::eof())) {
                break;
            }
        }
        return done;
    }

    int_type overflow(int_type next) override {
        write_out();
        if (!traits_type::eq_int_type(next, traits_type::eof())) sputc(traits_type::to_char_type(next));
        return traits_type::not_eof(next);
    }

    std::streamsize xsputn(const char* from, std::streamsize count) override {
        if (count <= epptr() - pptr()) {
            traits_type::copy(pptr(), from, static_cast<std::size_t>(count));
            pbump(static_cast<int>(count));
            return count;
        }
        write_out();
        if (static_cast<std::size_t>(count) >= size_) {
            send(const_bytes(from, static_cast<std::size_t>(count)));
            return count;
        }
        return xsputn(from, count);
    }

    int sync() override {
        write_out();
        return 0;
    }

private:
    void write_out() {
        const const_bytes pending(pbase(), static_cast<std::size_t>(pptr() - pbase()));
        if (!pending.empty()) send(pending);
        setp(outgoing_.get(), outgoing_.get() + size_);
    }

    void send(const_bytes bytes) {
        if (failed_)
            throw broken_stream(
                0, "stream_buffer: an earlier write was cancelled or failed, and a part may have been sent");
        try {
            on_.send_all(bytes);
        } catch (...) {
            failed_ = true;
            setp(outgoing_.get(), outgoing_.get() + size_);  // sent twice would be worse than lost
            throw;
        }
    }

    S& on_;
    std::size_t size_;
    std::unique_ptr<char[]> incoming_;
    std::unique_ptr<char[]> outgoing_;
    bool failed_ = false;
};

/// A std::iostream over one of our streams: `stream_iostream io(tcp); io << "GET / HTTP/1.0\r\n\r\n" << std::flush; std::getline(io, line);`.
///
/// Errors of the stream and `cancelled` are thrown as they are: badbit is in exceptions(). The end of the stream is eofbit, as usual, and
/// throws nothing.
///
/// Cancellation: throws from whatever is under way, and badbit stays set. Requires, Lifetime: as stream_buffer.
template <class S>
class stream_iostream : public std::iostream {
public:
    explicit stream_iostream(S& on, std::size_t size = stream_buffer<S>::default_size)
        : std::iostream(nullptr), buffer_(on, size) {
        rdbuf(&buffer_);
        exceptions(std::ios_base::badbit);
    }

    stream_buffer<S>& buffer() noexcept { return buffer_; }

private:
    stream_buffer<S> buffer_;
};

}  // namespace tombolo
