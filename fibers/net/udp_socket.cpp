#include <tombolo/fibers/net/udp_socket.hpp>

#include <tombolo/fibers/checkpoint.hpp>
#include <tombolo/fibers/errors.hpp>

#include <cstring>
#include <span>
#include <utility>

#include <netinet/in.h>
#include <sys/socket.h>

namespace tombolo::net {

namespace {

void change_membership(socket& of, const endpoint& group, unsigned interface, bool join) {
    if (group.family() == family::ipv6) {
        ipv6_mreq request{};
        request.ipv6mr_multiaddr = static_cast<const sockaddr_in6*>(group.data())->sin6_addr;
        request.ipv6mr_interface = interface;
        of.set_option(IPPROTO_IPV6, join ? IPV6_JOIN_GROUP : IPV6_LEAVE_GROUP, const_bytes(&request, sizeof request));
        return;
    }
    if (group.family() != family::ipv4)
        throw invalid_address("udp_socket: a multicast group is an IPv4 or IPv6 address, not " + group.to_string());
    ip_mreqn request{};
    request.imr_multiaddr = static_cast<const sockaddr_in*>(group.data())->sin_addr;
    request.imr_ifindex = static_cast<int>(interface);
    of.set_option(IPPROTO_IP, join ? IP_ADD_MEMBERSHIP : IP_DROP_MEMBERSHIP, const_bytes(&request, sizeof request));
}

}  // namespace

udp_socket::udp_socket(net::socket datagrams) : socket_(std::move(datagrams)) {
    if (socket_.type() != socket_type::datagram)
        throw invalid_descriptor("udp_socket: the socket is none of datagrams; tcp_stream is for streams");
}

void udp_socket::connect(const endpoint& to) { socket_.connect(to); }

received_from udp_socket::receive(mutable_bytes buffer) {
    const mutable_bytes buffers[] = {buffer};
    return socket_.receive_message(buffers);
}

void udp_socket::set_broadcast(bool on) { socket_.set_option(SOL_SOCKET, SO_BROADCAST, on ? 1 : 0); }

void udp_socket::join_group(const endpoint& group, unsigned interface) {
    change_membership(socket_, group, interface, true);
}

void udp_socket::leave_group(const endpoint& group, unsigned interface) {
    change_membership(socket_, group, interface, false);
}

void udp_socket::set_multicast_loop(bool on) {
    if (socket_.family() == family::ipv6)
        socket_.set_option(IPPROTO_IPV6, IPV6_MULTICAST_LOOP, on ? 1 : 0);
    else
        socket_.set_option(IPPROTO_IP, IP_MULTICAST_LOOP, on ? 1 : 0);
}

void udp_socket::set_multicast_hops(int hops) {
    if (socket_.family() == family::ipv6)
        socket_.set_option(IPPROTO_IPV6, IPV6_MULTICAST_HOPS, hops);
    else
        socket_.set_option(IPPROTO_IP, IP_MULTICAST_TTL, hops);
}

void udp_socket::aclose() {
    close();
    checkpoint();
}

}  // namespace tombolo::net
