#pragma once

#include <tombolo/base/bytes.hpp>
#include <tombolo/base/unique_fd.hpp>
#include <tombolo/fibers/io_error.hpp>
#include <tombolo/fibers/net/endpoint.hpp>
#include <tombolo/fibers/net/socket_backend.hpp>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include <sys/socket.h>
#include <sys/uio.h>

namespace tombolo::net {

struct native_kind {
    net::family family;
    socket_type type;
};

/// What a descriptor is. Throws: invalid_descriptor when it is no socket, or of a type that tombolo does not know.
native_kind kind_of(int fd);

/// TCP without TLS in the kernel, which receives records one by one.
bool is_plain_tcp(int fd) noexcept;

int native_type(socket_type type) noexcept;
/// Non-blocking, and not inherited. Throws: io_error.
unique_fd open_native(family family, socket_type type, int protocol);

inline const sockaddr* native_address(const endpoint& of) noexcept { return static_cast<const sockaddr*>(of.data()); }

/// Buffers as the system wants them: the first 64 of them, and it is told of no more.
class io_vectors {
public:
    static constexpr std::size_t most = 64;

    template <class Bytes>
    explicit io_vectors(std::span<const Bytes> buffers) noexcept
        : count_(buffers.size() < most ? buffers.size() : most) {
        for (std::size_t i = 0; i < count_; ++i)
            vectors_[i] = {const_cast<std::byte*>(buffers[i].data()), buffers[i].size()};
    }

    /// Lifetime: that of this object and of what is given.
    template <class Control>
    msghdr message(const void* name, std::uint32_t name_size, Control control) const noexcept {
        msghdr out{};
        out.msg_name = name_size == 0 ? nullptr : const_cast<void*>(name);
        out.msg_namelen = name_size;
        out.msg_iov = const_cast<iovec*>(vectors_.data());
        out.msg_iovlen = count_;
        out.msg_control = control.empty() ? nullptr : const_cast<std::byte*>(control.data());
        out.msg_controllen = control.size();
        return out;
    }

private:
    std::array<iovec, most> vectors_;
    std::size_t count_;
};

/// The result of a call that would not wait; empty when it would have to. Throws: io_error.
template <class Attempt>
std::optional<std::size_t> tried(const char* what, Attempt attempt) {
    for (;;) {
        const auto count = attempt();
        if (count >= 0) return static_cast<std::size_t>(count);
        if (errno == EAGAIN || errno == EWOULDBLOCK) return std::nullopt;
        if (errno != EINTR) throw io_error(errno, what);
    }
}

}  // namespace tombolo::net
