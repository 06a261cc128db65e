#include "asio_sockets.hpp"
#include "server_kinds.h"

#include <boost/asio/write.hpp>

#include <memory>
#include <utility>

namespace bench::net {

namespace {

/// Belongs to the handler of whichever operation is under way.
class callback_connection {
public:
    using owner = std::unique_ptr<callback_connection>;

    callback_connection(asio_socket socket, service of) : socket_(std::move(socket)) {
        tune(socket_);
        conversation_begin(&talk_, of);
    }

    static void receive(owner self) {
        callback_connection& peer = *self;
        peer.socket_.async_read_some(
            room_of(peer.talk_), [self = std::move(self)](boost::system::error_code error, std::size_t count) mutable {
                if (!error) answer_to(std::move(self), count);
            });
    }

private:
    static void answer_to(owner self, std::size_t count) {
        callback_connection& peer = *self;
        peer.rest_ = conversation_received(&peer.talk_, count);
        if (peer.rest_.size > 0) send_at_once(peer.socket_, peer.rest_);
        if (peer.rest_.size == 0) return go_on(std::move(self));
        asio::async_write(
            peer.socket_, asio::buffer(peer.rest_.data, peer.rest_.size),
            [self = std::move(self)](boost::system::error_code error, std::size_t) mutable {
                if (!error) go_on(std::move(self));
            });
    }

    static void go_on(owner self) {
        if (!self->rest_.last) receive(std::move(self));
    }

    asio_socket socket_;
    answer rest_{};
    conversation talk_;
};

void accept_next(asio_acceptor& acceptor, service of) {
    acceptor.async_accept([&acceptor, of](boost::system::error_code error, asio_socket socket) {
        if (!error) callback_connection::receive(std::make_unique<callback_connection>(std::move(socket), of));
        accept_next(acceptor, of);
    });
}

}  // namespace

}  // namespace bench::net

void serve_with_asio_callbacks(int listener, service of) {
    using namespace bench::net;
    asio::io_context context(asio_alone);
    asio_acceptor acceptor(context, asio::ip::tcp::v4(), listener);
    accept_next(acceptor, of);
    context.run();
}
