#include <tombolo/fibers/net/endpoint.hpp>

#include <cstring>
#include <string>

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

namespace tombolo::net {

namespace {

constexpr std::size_t path_offset = offsetof(sockaddr_un, sun_path);

template <class Address>
Address address_as(const void* data) {
    Address copy{};
    std::memcpy(&copy, data, sizeof copy);
    return copy;
}

[[noreturn]] void refuse(std::string_view text, const char* why) {
    throw invalid_address("endpoint: \"" + std::string(text.substr(0, text.find('\0'))) + "\" " + why);
}

unsigned zone_number(std::string_view zone, std::string_view whole) {
    const std::string name(zone);
    if (const unsigned index = ::if_nametoindex(name.c_str())) return index;
    unsigned number = 0;
    for (const char digit : name) {
        if (digit < '0' || digit > '9' || number > 100'000'000)
            number = 0;
        else
            number = number * 10 + static_cast<unsigned>(digit - '0');
        if (number == 0) break;
    }
    if (number == 0) refuse(whole, "names no network interface of this machine behind its %");
    return number;
}

}  // namespace

endpoint endpoint::from_raw(const void* address, std::size_t size) {
    endpoint out;
    if (size > sizeof out.storage_)
        throw invalid_address("endpoint: an address has at most 128 bytes, not " + std::to_string(size));
    if (size != 0) std::memcpy(out.storage_.data(), address, size);
    out.size_ = static_cast<std::uint32_t>(size);
    return out;
}

endpoint::endpoint(std::string_view address, std::uint16_t port) {
    if (address.find('\0') != std::string_view::npos) refuse(address, "has a zero byte in it");
    const std::size_t percent = address.find('%');
    const std::string digits(address.substr(0, percent));
    sockaddr_in v4{};
    if (::inet_pton(AF_INET, digits.c_str(), &v4.sin_addr) == 1 && percent == std::string_view::npos) {
        v4.sin_family = AF_INET;
        v4.sin_port = htons(port);
        *this = from_raw(&v4, sizeof v4);
        return;
    }
    sockaddr_in6 v6{};
    if (::inet_pton(AF_INET6, digits.c_str(), &v6.sin6_addr) != 1)
        refuse(address, "is no numeric IPv4 or IPv6 address; net::resolve finds the addresses of a name");
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(port);
    if (percent != std::string_view::npos) v6.sin6_scope_id = zone_number(address.substr(percent + 1), address);
    *this = from_raw(&v6, sizeof v6);
}

endpoint endpoint::local(std::string_view path) {
    sockaddr_un address{};
    if (path.empty()) throw invalid_address("endpoint::local: the path is empty; give the path of a socket");
    const bool abstract = path.front() == '\0';
    if (path.size() + !abstract > sizeof address.sun_path)
        refuse(
            path,
            "is longer than the 107 bytes that a path of a socket can have; use a shorter one, or a relative one");
    if (!abstract && path.find('\0') != std::string_view::npos) refuse(path, "has a zero byte in it");
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.data(), path.size());
    return from_raw(&address, path_offset + path.size() + !abstract);
}

endpoint endpoint::loopback(net::family of, std::uint16_t port) {
    if (of == net::family::ipv4) return {"127.0.0.1", port};
    if (of == net::family::ipv6) return {"::1", port};
    throw invalid_address("endpoint::loopback: only the families ipv4 and ipv6 have one");
}

endpoint endpoint::any(net::family of, std::uint16_t port) {
    if (of == net::family::ipv4) return {"0.0.0.0", port};
    if (of == net::family::ipv6) return {"::", port};
    throw invalid_address("endpoint::any: only the families ipv4 and ipv6 have one");
}

net::family endpoint::family() const noexcept {
    if (size_ < sizeof(sa_family_t)) return net::family::unspecified;
    switch (address_as<sa_family_t>(data())) {
    case AF_INET:
        return net::family::ipv4;
    case AF_INET6:
        return net::family::ipv6;
    case AF_UNIX:
        return net::family::local;
    default:
        return net::family::unspecified;
    }
}

std::uint16_t endpoint::port() const noexcept {
    switch (family()) {
    case net::family::ipv4:
        return ntohs(address_as<sockaddr_in>(data()).sin_port);
    case net::family::ipv6:
        return ntohs(address_as<sockaddr_in6>(data()).sin6_port);
    default:
        return 0;
    }
}

endpoint endpoint::with_port(std::uint16_t port) const {
    if (family() == net::family::ipv4) {
        auto v4 = address_as<sockaddr_in>(data());
        v4.sin_port = htons(port);
        return from_raw(&v4, sizeof v4);
    }
    if (family() == net::family::ipv6) {
        auto v6 = address_as<sockaddr_in6>(data());
        v6.sin6_port = htons(port);
        return from_raw(&v6, sizeof v6);
    }
    throw invalid_address("endpoint::with_port: " + to_string() + " has no port");
}

std::string endpoint::address() const {
    char text[INET6_ADDRSTRLEN] = {};
    switch (family()) {
    case net::family::ipv4: {
        const auto v4 = address_as<sockaddr_in>(data());
        return ::inet_ntop(AF_INET, &v4.sin_addr, text, sizeof text);
    }
    case net::family::ipv6: {
        const auto v6 = address_as<sockaddr_in6>(data());
        std::string out = ::inet_ntop(AF_INET6, &v6.sin6_addr, text, sizeof text);
        if (v6.sin6_scope_id == 0) return out;
        char name[IF_NAMESIZE] = {};
        const bool known = ::if_indextoname(v6.sin6_scope_id, name) != nullptr;
        return out + "%" + (known ? std::string(name) : std::to_string(v6.sin6_scope_id));
    }
    case net::family::local: {
        if (size_ <= path_offset) return {};
        const char* const path = reinterpret_cast<const char*>(storage_.data()) + path_offset;
        const std::size_t length = size_ - path_offset;
        return path[0] == '\0' ? std::string(path, length) : std::string(path, ::strnlen(path, length));
    }
    default:
        return {};
    }
}

std::string endpoint::to_string() const {
    switch (family()) {
    case net::family::ipv4:
        return address() + ":" + std::to_string(port());
    case net::family::ipv6:
        return "[" + address() + "]:" + std::to_string(port());
    case net::family::local: {
        std::string path = address();
        if (path.empty()) return "unix:(unnamed)";
        if (path[0] == '\0') path[0] = '@';
        return "unix:" + path;
    }
    default:
        return "(none)";
    }
}

bool endpoint::is_loopback() const noexcept {
    if (family() == net::family::ipv4) return (ntohl(address_as<sockaddr_in>(data()).sin_addr.s_addr) >> 24) == 127;
    if (family() == net::family::ipv6) {
        const auto v6 = address_as<sockaddr_in6>(data());
        return IN6_IS_ADDR_LOOPBACK(&v6.sin6_addr) ||
            (IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr) && v6.sin6_addr.s6_addr[12] == 127);
    }
    return family() == net::family::local;
}

bool endpoint::operator==(const endpoint& other) const noexcept {
    return size_ == other.size_ && std::memcmp(data(), other.data(), size_) == 0;
}

endpoint endpoint_buffer::take() noexcept {
    value_.size_ = size_ < sizeof value_.storage_ ? size_ : static_cast<std::uint32_t>(sizeof value_.storage_);
    return value_;
}

}  // namespace tombolo::net
