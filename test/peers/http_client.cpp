// A client of ours, for check.py: HTTP through the streams, by Boost.Beast, from a server that is not ours.
//
//     http_client PORT CA CHECKSUM    CA: the certificate to trust, or "" for plain HTTP. CHECKSUM: of /big, which is 10 MB
//
// Prints what is not as it should be and fails; otherwise it says nothing.

#include "crc32.hpp"

#include <tombolo/fibers/net/open_tcp_stream.hpp>
#include <tombolo/tombolo.hpp>
#if defined(TOMBOLO_TEST_TLS)
    #include <tombolo/fibers/net/tls_stream.hpp>
#endif

#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>

#include <iostream>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

namespace {

namespace tb = tombolo;
namespace http = boost::beast::http;

constexpr int concurrent = 100;
constexpr int requests_on_one_connection = 50;

void expect(bool holds, const std::string& what) {
    if (!holds) throw std::runtime_error(what);
}

template <class Stream>
class connection {
public:
    explicit connection(Stream stream) : stream_(std::move(stream)) {}

    http::response<http::string_body> get(const std::string& target) {
        http::request<http::empty_body> request(http::verb::get, target, 11);
        request.set(http::field::host, "localhost");
        http::write(stream_, request);
        http::response_parser<http::string_body> parser;
        parser.body_limit(64 << 20);
        http::read(stream_, buffer_, parser);
        expect(parser.get().result_int() == 200, target + ": status " + std::to_string(parser.get().result_int()));
        return parser.release();
    }

    Stream& stream() { return stream_; }

private:
    Stream stream_;
    boost::beast::flat_buffer buffer_;
};

template <class Open>
void keep_one_connection_alive(Open open) {
    connection client(open());
    for (int i = 1; i <= requests_on_one_connection; ++i) {
        const auto response = client.get("/count");
        expect(
            response.body() == "request " + std::to_string(i),
            "request " + std::to_string(i) + " of one connection got \"" + response.body() + "\"");
    }
    client.stream().aclose();
}

template <class Open>
void read_chunks(Open open) {
    connection client(open());
    for (int i = 0; i < 2; ++i) {
        const auto response = client.get("/chunked.shtml");
        expect(response.chunked(), "/chunked.shtml is not chunked");
        expect(
            response.body() == std::string(100'000, 'a') + "included\n" + std::string(100'000, 'z'),
            "/chunked.shtml has " + std::to_string(response.body().size()) + " bytes, or others");
    }
    client.stream().aclose();
}

template <class Open>
void read_a_big_body(Open open, const std::string& checksum) {
    connection client(open());
    for (int i = 0; i < 2; ++i) {
        const auto response = client.get("/big");
        expect(
            response.body().size() == 10'000'000 && peers::crc32(response.body()) == checksum,
            "/big came as " + std::to_string(response.body().size()) + " bytes with checksum " +
                peers::crc32(response.body()));
    }
    client.stream().aclose();
}

/// Nobody asks before all are connected, so that all requests are under way together.
template <class Open>
void ask_all_at_once(Open open) {
    int connected = 0, answered = 0;
    tb::event all_connected;
    tb::open_nursery([&](tb::nursery& clients) {
        for (int i = 0; i < concurrent; ++i) {
            clients.start_soon([&] {
                connection client(open());
                // The first byte of a TLS connection is that of its handshake.
                if constexpr (requires { client.stream().do_handshake(); }) client.stream().do_handshake();
                if (++connected == concurrent) all_connected.set();
                all_connected.wait();
                expect(client.get("/medium").body() == std::string(300'000, 'm'), "/medium is not whole among many");
                expect(client.get("/count").body() == "request 2", "a connection was not kept among many");
                ++answered;
                client.stream().aclose();
            });
        }
    });
    expect(answered == concurrent, "not everybody got an answer");
}

template <class Open>
void check(Open open, const std::string& checksum) {
    keep_one_connection_alive(open);
    read_chunks(open);
    read_a_big_body(open, checksum);
    ask_all_at_once(open);
}

#if defined(TOMBOLO_TEST_TLS)
/// The default context does not know who has signed the server's certificate.
void be_suspicious(int port) {
    try {
        tb::net::tls_stream stream(
            tb::net::open_tcp_stream("localhost", port), tb::net::tls_context::client(),
            {.server_hostname = "localhost"});
        stream.do_handshake();
    } catch (const tb::net::certificate_rejected&) {
        return;
    }
    throw std::runtime_error("a certificate that nobody has signed was taken");
}
#endif

int check_server(int port, const std::string& authority, const std::string& checksum) {
    const auto open_plain = [port] { return tb::net::open_tcp_stream("localhost", port); };
    if (authority.empty()) {
        check(open_plain, checksum);
        return 0;
    }
#if defined(TOMBOLO_TEST_TLS)
    be_suspicious(port);
    const auto context =
        tb::net::tls_context::client({.authorities = {tb::net::pem::file(authority)}, .system_authorities = false});
    check(
        [&] {
            return tb::net::tls_stream(
                open_plain(), context, {.server_hostname = "localhost", .https_compatible = true});
        },
        checksum);
    return 0;
#else
    std::cerr << "this build has no TLS\n";
    return 77;
#endif
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 4) {
        std::cerr << "usage: http_client PORT CA CHECKSUM\n";
        return 2;
    }
    try {
        return tb::run([&] { return check_server(std::stoi(argv[1]), argv[2], argv[3]); });
    } catch (const std::exception& error) {
        std::cerr << "http_client: " << tb::describe(std::current_exception()) << '\n';
        return 1;
    }
}
