#pragma once

#include "conversation.h"

#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>

namespace bench::net {

namespace asio = boost::asio;

/// Sockets that know their executor's type: the default, any_io_executor, costs virtual calls in each operation.
using asio_executor = asio::io_context::executor_type;
using asio_socket = asio::ip::tcp::socket::rebind_executor<asio_executor>::other;
using asio_acceptor = asio::ip::tcp::acceptor::rebind_executor<asio_executor>::other;

/// One thread and no locks.
inline constexpr int asio_alone = BOOST_ASIO_CONCURRENCY_HINT_UNSAFE;

inline void tune(asio_socket& socket) {
    socket.set_option(asio::ip::tcp::no_delay(true));
    socket.non_blocking(true);
}

inline asio::mutable_buffer room_of(conversation& talk) {
    std::size_t room = 0;
    char* into = conversation_room(&talk, &room);
    return {into, room};
}

/// Sends what the socket takes at once, so that an operation is started for the rest only, which is there hardly ever.
/// An error other than "would block" shows in that operation.
inline void send_at_once(asio_socket& socket, answer& rest) {
    boost::system::error_code error;
    const std::size_t sent = socket.write_some(asio::buffer(rest.data, rest.size), error);
    rest.data += sent;
    rest.size -= sent;
}

}  // namespace bench::net
