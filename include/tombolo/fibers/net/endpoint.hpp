#pragma once

#include <tombolo/fibers/errors.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace tombolo::net {

/// Thrown for text that is no numeric address, for a path that is too long, and for a port that does not exist. The text says which.
class invalid_address : public usage_error {
public:
    using usage_error::usage_error;
};

/// The address families; `unspecified` where any will do.
enum class family : unsigned char { unspecified, ipv4, ipv6, local };

/// Where a socket is or connects to: an IPv4 or IPv6 address with its port, or a path of the local (Unix) family. A value; it knows
/// numbers only. net::resolve finds the endpoints of a name.
class endpoint {
public:
    /// No address; what an unbound or unnamed socket has.
    endpoint() noexcept = default;

    /// A numeric address: "127.0.0.1", "::1", "fe80::1%eth0" (with a zone).
    /// Throws: invalid_address.
    endpoint(std::string_view address, std::uint16_t port);

    /// A path of the file system; a name of the abstract namespace begins with a zero byte. Throws: invalid_address when it is
    /// empty or longer than 107 bytes.
    static endpoint local(std::string_view path);
    /// "127.0.0.1" or "::1". Throws: invalid_address for other families.
    static endpoint loopback(family of, std::uint16_t port);
    /// Every address of this machine, for listeners. Throws: invalid_address for other families than those two.
    static endpoint any(family of, std::uint16_t port);
    /// From what a system call gave: a sockaddr of `size` bytes. Throws: invalid_address for a size that no address has.
    static endpoint from_raw(const void* address, std::size_t size);

    net::family family() const noexcept;
    /// 0 for paths.
    std::uint16_t port() const noexcept;
    /// The same address with another port. Requires: not a path.
    endpoint with_port(std::uint16_t port) const;
    /// The numeric address without its port, or the path.
    std::string address() const;
    /// "127.0.0.1:80", "[::1]:80", "unix:/run/x", "unix:@name"; "(none)".
    std::string to_string() const;
    bool is_loopback() const noexcept;

    /// The sockaddr, for system calls.
    const void* data() const noexcept { return storage_.data(); }
    std::size_t size() const noexcept { return size_; }
    explicit operator bool() const noexcept { return size_ != 0; }
    bool operator==(const endpoint& other) const noexcept;

private:
    friend class endpoint_buffer;
    alignas(8) std::array<std::byte, 128> storage_{};
    std::uint32_t size_ = 0;
};

/// Room for an address that a system call writes. Private to implementers of sockets.
class endpoint_buffer {
public:
    void* data() noexcept { return value_.storage_.data(); }
    std::uint32_t* size() noexcept { return &size_; }
    /// What was written.
    endpoint take() noexcept;

private:
    endpoint value_;
    std::uint32_t size_ = sizeof(value_.storage_);
};

}  // namespace tombolo::net
