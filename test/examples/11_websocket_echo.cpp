// Boost.Beast's WebSocket over tombolo's streams: an echo server whose connections are tasks, and a client. With a PORT it serves there
// until Ctrl-C; without one it talks to itself.
#include <tombolo/interop/asio_stream.hpp>
#include <tombolo/tombolo.hpp>

#include <boost/beast/core.hpp>
#include <boost/beast/websocket.hpp>

#include <cstdlib>
#include <exception>
#include <iostream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tb = tombolo;
namespace net = tombolo::net;
namespace beast = boost::beast;
namespace websocket = boost::beast::websocket;
using web_stream = websocket::stream<tb::interop::asio_stream<net::tcp_stream>>;
using endpoints = std::vector<net::endpoint>;

namespace {

void echo(net::tcp_stream connection) {
    web_stream socket(std::move(connection));
    socket.accept();
    for (;;) {
        beast::flat_buffer message;
        beast::error_code error;
        socket.read(message, error);
        if (error == websocket::error::closed) return;
        if (error) throw beast::system_error(error);
        socket.text(socket.got_text());
        socket.write(message.data());
    }
}

/// A bad client ends its own connection only.
void report(const std::exception_ptr& error) {
    try {
        std::rethrow_exception(error);
    } catch (const std::exception& known) {
        std::cerr << known.what() << '\n';
    }
}

void talk_to(int port) {
    web_stream socket(net::open_tcp_stream("127.0.0.1", port));
    socket.handshake("localhost", "/");
    socket.control_callback([](websocket::frame_type kind, beast::string_view) {
        if (kind == websocket::frame_type::pong) std::cout << "pong\n";
    });
    socket.ping({});
    for (const std::string_view text : {"one", "two", "three"}) {
        socket.write(boost::asio::buffer(text));
        beast::flat_buffer answer;
        socket.read(answer);
        std::cout << beast::buffers_to_string(answer.data()) << '\n';
    }
    socket.close(websocket::close_code::normal);
    std::cout << "closed in order\n";
}

}  // namespace

int main(int argc, char** argv) {
    try {
        tb::run([&] {
            if (argc > 1) return net::serve_tcp(echo, std::atoi(argv[1]), {.on_handler_error = report});
            tb::open_nursery([](tb::nursery& n) {
                const auto where = n.start<endpoints>([](tb::task_status<endpoints>& status) {
                    net::serve_tcp(echo, 0, {.host = "127.0.0.1", .on_handler_error = report, .status = &status});
                });
                talk_to(where.front().port());
                n.cancel_scope().cancel();
            });
        });
    } catch (const std::exception& error) {
        std::cerr << error.what() << '\n';
        return 1;
    }
}
