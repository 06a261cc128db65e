// A TLS client. Without arguments it talks to a server of its own, which an authority of its own vouches for; with HOST [PORT] it asks
// that server for its page, as a browser would, and trusts what this machine trusts.
#include "localhost_certificate.hpp"

#include <tombolo/tombolo.hpp>

#include <array>
#include <chrono>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <string>

using namespace std::chrono_literals;
namespace tb = tombolo;
namespace net = tombolo::net;

namespace {

void greet(net::tls_stream& client) {
    std::array<char, 64> name;
    const std::size_t size = client.receive_some(name);
    client.send_all("hello, " + std::string(name.data(), size));
    client.aclose();  // says good-bye, so that nobody takes the answer for cut
}

std::string receive_all(net::tls_stream& from) {
    std::string all;
    std::array<char, 4096> part;
    while (const std::size_t count = from.receive_some(part)) all.append(part.data(), count);
    return all;
}

void talk_to_myself() {
    const auto server =
        net::tls_context::server(net::pem::text(localhost::certificate), net::pem::text(localhost::key));
    const auto trusting = net::tls_context::client({.authorities = {net::pem::text(localhost::authority)}});
    tb::open_nursery([&](tb::nursery& n) {
        const auto ignore = [](const std::exception_ptr&) {};  // a stranger's failed handshake ends its connection only
        const auto where =
            n.start<std::vector<net::endpoint>>([&](tb::task_status<std::vector<net::endpoint>>& status) {
                net::serve_tls(
                    greet, 0, server, {.tcp = {.host = "127.0.0.1", .on_handler_error = ignore, .status = &status}});
            });
        const int port = where.front().port();

        net::tls_stream stream = net::open_tls_stream("127.0.0.1", port, {.context = trusting});
        stream.send_all("island");
        std::cout << receive_all(stream) << " (" << stream.version() << ")\n";
        stream.aclose();

        net::tls_stream distrustful = net::open_tls_stream("127.0.0.1", port);
        try {
            distrustful.do_handshake();
            std::cout << "a stranger's certificate was accepted\n";
        } catch (const net::certificate_rejected&) {
            std::cout << "who does not know that authority refuses its certificate\n";
        }
        n.cancel_scope().cancel();
    });
}

void ask(const std::string& host, int port) {
    tb::fail_after(30s, [&] {
        net::tls_stream stream = net::open_tls_stream(host, port, {.https_compatible = true});
        stream.send_all("GET / HTTP/1.1\r\nHost: " + host + "\r\nConnection: close\r\n\r\n");
        std::cout << receive_all(stream);
    });
}

}  // namespace

int main(int argc, char** argv) {
    try {
        tb::run([&] {
            if (argc > 1)
                ask(argv[1], argc > 2 ? std::atoi(argv[2]) : 443);
            else
                talk_to_myself();
        });
    } catch (const std::exception& error) {
        std::cerr << error.what() << '\n';
        return 1;
    }
}
