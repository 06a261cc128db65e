#include <tombolo/testing/open_stream_to_listener.hpp>

namespace tombolo::kernel {

net::socket connect_to_listener(const net::socket& listening) {
    net::endpoint target = listening.local_endpoint();
    if (target.family() != net::family::local && target == net::endpoint::any(target.family(), target.port()))
        target = net::endpoint::loopback(target.family(), target.port());
    net::socket connected(target.family(), net::socket_type::stream);
    connected.connect(target);
    return connected;
}

}  // namespace tombolo::kernel
