#include <tombolo/fibers/net/tcp_stream.hpp>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

namespace tombolo::net {

namespace {

/// For the sake of speed only: a socket that does not know the option is as good.
void set_if_known(socket& of, int level, int name, int value) {
    try {
        of.set_option(level, name, value);
    } catch (const io_error&) {}
}

}  // namespace

tcp_stream::tcp_stream(net::socket connected) : socket_stream(std::move(connected)) {
    set_if_known(socket(), IPPROTO_TCP, TCP_NODELAY, 1);
    set_if_known(socket(), IPPROTO_TCP, TCP_NOTSENT_LOWAT, 16 * 1024);
}

void tcp_stream::set_no_delay(bool on) { socket().set_option(IPPROTO_TCP, TCP_NODELAY, on); }

void tcp_stream::set_keep_alive(bool on, int idle, int interval, int count) {
    socket().set_option(SOL_SOCKET, SO_KEEPALIVE, on);
    if (!on) return;
    socket().set_option(IPPROTO_TCP, TCP_KEEPIDLE, idle);
    socket().set_option(IPPROTO_TCP, TCP_KEEPINTVL, interval);
    socket().set_option(IPPROTO_TCP, TCP_KEEPCNT, count);
}

}  // namespace tombolo::net
