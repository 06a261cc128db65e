// For those who have code on boost::asio::ssl already: its stream, unmodified, over a tombolo stream. Both ends are tasks of one thread, in
// plain blocking calls. New code has tombolo::net::tls_stream.
#include "localhost_certificate.hpp"

#include <tombolo/interop/asio_stream.hpp>
#include <tombolo/tombolo.hpp>

#include <boost/asio/read_until.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/write.hpp>

#include <exception>
#include <iostream>
#include <string>

namespace tb = tombolo;
namespace net = tombolo::net;
namespace asio = boost::asio;
namespace ssl = boost::asio::ssl;
using ssl_stream = ssl::stream<tb::interop::asio_stream<net::tcp_stream>>;

namespace {

std::string read_line(ssl_stream& from) {
    std::string line;
    asio::read_until(from, asio::dynamic_buffer(line), '\n');
    return line;
}

void serve_one(net::tcp_listener& listener) {
    ssl::context context(ssl::context::tls_server);
    context.use_certificate_chain(asio::buffer(localhost::certificate));
    context.use_private_key(asio::buffer(localhost::key), ssl::context::pem);
    ssl_stream stream(listener.accept(), context);
    stream.handshake(ssl::stream_base::server);
    asio::write(stream, asio::buffer("you said: " + read_line(stream)));
    stream.shutdown();
}

void ask(int port) {
    ssl::context context(ssl::context::tls_client);
    context.add_certificate_authority(asio::buffer(localhost::authority));
    context.set_verify_mode(ssl::verify_peer);
    ssl_stream stream(net::open_tcp_stream("127.0.0.1", port), context);
    stream.set_verify_callback(ssl::host_name_verification("localhost"));
    stream.handshake(ssl::stream_base::client);
    asio::write(stream, asio::buffer(std::string("hello\n")));
    std::cout << read_line(stream);
    stream.shutdown();
}

}  // namespace

int main() {
    try {
        tb::run([] {
            auto listeners = net::open_tcp_listeners(0, {.host = "127.0.0.1"});
            tb::open_nursery([&](tb::nursery& n) {
                n.start_soon([&] { serve_one(listeners.front()); });
                ask(listeners.front().local_endpoint().port());
            });
        });
        std::cout << "both ends have shut down\n";
    } catch (const std::exception& error) {
        std::cerr << error.what() << '\n';
        return 1;
    }
}
