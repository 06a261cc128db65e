#include <tombolo/fibers/net/tcp_listener.hpp>

#include "fibers/net/listening.hpp"

#include <utility>

namespace tombolo::net {

tcp_listener::tcp_listener(net::socket listening) : socket_(std::move(listening)) {
    require_listening(socket_, "tcp_listener");
}

tcp_stream tcp_listener::accept() { return accept_stream<tcp_stream>(socket_); }

void tcp_listener::aclose() {
    close();
    checkpoint();
}

}  // namespace tombolo::net
