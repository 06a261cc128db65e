#include "asio_sockets.hpp"
#include "server_kinds.h"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

#include <utility>

namespace bench::net {

namespace {

using task = asio::awaitable<void, asio_executor>;
constexpr asio::use_awaitable_t<asio_executor> awaited;

task converse(asio_socket socket, service of) {
    conversation talk;
    conversation_begin(&talk, of);
    try {
        tune(socket);
        for (bool last = false; !last;) {
            const std::size_t count = co_await socket.async_read_some(room_of(talk), awaited);
            answer rest = conversation_received(&talk, count);
            if (rest.size > 0) send_at_once(socket, rest);
            if (rest.size > 0) co_await asio::async_write(socket, asio::buffer(rest.data, rest.size), awaited);
            last = rest.last;
        }
    } catch (const boost::system::system_error&) {
        // The client went away, as it may.
    }
}

task accept_all(asio_acceptor& acceptor, service of) {
    const asio_executor executor = co_await asio::this_coro::executor;
    for (;;) {
        asio_socket socket = co_await acceptor.async_accept(awaited);
        asio::co_spawn(executor, converse(std::move(socket), of), asio::detached);
    }
}

}  // namespace

}  // namespace bench::net

void serve_with_asio_awaitables(int listener, service of) {
    using namespace bench::net;
    asio::io_context context(asio_alone);
    asio_acceptor acceptor(context, asio::ip::tcp::v4(), listener);
    asio::co_spawn(context.get_executor(), accept_all(acceptor, of), asio::detached);
    context.run();
}
