#include "fibers/net/native_socket.hpp"

#include <tombolo/fibers/errors.hpp>

#include <string>

#include <netinet/in.h>
#include <netinet/tcp.h>

namespace tombolo::net {

namespace {

int number_option(int fd, int name, const char* what) {
    int value = 0;
    socklen_t size = sizeof value;
    if (::getsockopt(fd, SOL_SOCKET, name, &value, &size) < 0)
        throw invalid_descriptor(
            "socket: descriptor " + std::to_string(fd) +
            (errno == ENOTSOCK ? " is no socket; os::fd_stream takes pipes and terminals"
                               : std::string(" is not open (") + what + " failed)"));
    return value;
}

int native_family(family family) noexcept {
    switch (family) {
    case family::ipv4:
        return AF_INET;
    case family::ipv6:
        return AF_INET6;
    case family::local:
        return AF_UNIX;
    default:
        return AF_UNSPEC;
    }
}

}  // namespace

int native_type(socket_type type) noexcept {
    switch (type) {
    case socket_type::datagram:
        return SOCK_DGRAM;
    case socket_type::sequenced_packet:
        return SOCK_SEQPACKET;
    default:
        return SOCK_STREAM;
    }
}

native_kind kind_of(int fd) {
    native_kind out{};
    switch (number_option(fd, SO_TYPE, "SO_TYPE")) {
    case SOCK_STREAM:
        out.type = socket_type::stream;
        break;
    case SOCK_DGRAM:
        out.type = socket_type::datagram;
        break;
    case SOCK_SEQPACKET:
        out.type = socket_type::sequenced_packet;
        break;
    default:
        throw invalid_descriptor(
            "socket: descriptor " + std::to_string(fd) +
            " is a socket of a type that tombolo does not know; use lowlevel::wait_readable with your own calls");
    }
    switch (number_option(fd, SO_DOMAIN, "SO_DOMAIN")) {
    case AF_INET:
        out.family = family::ipv4;
        break;
    case AF_INET6:
        out.family = family::ipv6;
        break;
    case AF_UNIX:
        out.family = family::local;
        break;
    default:
        out.family = family::unspecified;
    }
    return out;
}

bool is_plain_tcp(int fd) noexcept {
    int protocol = 0;
    socklen_t size = sizeof protocol;
    if (::getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &size) < 0 || protocol != IPPROTO_TCP) return false;
    char layered[16] = {};
    size = sizeof layered;
    return ::getsockopt(fd, IPPROTO_TCP, TCP_ULP, layered, &size) == 0 && size == 0;
}

unique_fd open_native(family family, socket_type type, int protocol) {
    if (family == family::unspecified)
        throw invalid_address("socket: the family is unspecified; say ipv4, ipv6 or local");
    const int fd = ::socket(native_family(family), native_type(type) | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol);
    if (fd < 0) throw io_error(errno, "socket");
    return unique_fd(fd);
}

}  // namespace tombolo::net
