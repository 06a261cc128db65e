// A server of ours, for check.py: HTTP through the streams, by Boost.Beast, for clients that are not ours.
//
//     http_server             plain HTTP
//     http_server CHAIN KEY   HTTPS
//
// Prints its port of 127.0.0.1, and serves until SIGTERM: it then accepts nobody and ends when all connections have.

#include "crc32.hpp"

#include <tombolo/fibers/net/serve.hpp>
#include <tombolo/tombolo.hpp>
#if defined(TOMBOLO_TEST_TLS)
    #include <tombolo/fibers/net/tls_stream.hpp>
#endif

#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>

#include <csignal>
#include <iostream>
#include <string>
#include <utility>
#include <vector>

namespace {

namespace tb = tombolo;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using endpoints = std::vector<tb::net::endpoint>;
using request = http::request<http::string_body>;
using response = http::response<http::string_body>;

response answer(const request& asked) {
    response out(http::status::ok, asked.version());
    if (asked.target() == "/") {
        out.body() = "hello\n";
    } else if (asked.target() == "/big") {
        out.body().assign(10'000'000, 'b');
    } else if (asked.target() == "/chunked") {
        out.body().assign(100'000, 'c');
        out.chunked(true);
    } else if (asked.target() == "/checksum" && asked.method() == http::verb::post) {
        out.body() = std::to_string(asked.body().size()) + " " + peers::crc32(asked.body()) + "\n";
    } else {
        out.result(http::status::not_found);
    }
    out.keep_alive(asked.keep_alive());
    if (!out.chunked()) out.prepare_payload();
    return out;
}

template <class Stream>
void converse(Stream& stream) {
    beast::flat_buffer buffer;
    for (bool more = true; more;) {
        http::request_parser<http::string_body> parser;
        parser.body_limit(64 << 20);
        beast::error_code error;
        http::read_header(stream, buffer, parser, error);
        if (error == http::error::end_of_stream) return;
        if (error) throw beast::system_error(error);
        if (beast::iequals(parser.get()[http::field::expect], "100-continue"))
            http::write(stream, http::response<http::empty_body>(http::status::continue_, parser.get().version()));
        http::read(stream, buffer, parser);
        const response out = answer(parser.get());
        http::write(stream, out);
        more = out.keep_alive();
    }
}

/// A client that is gone, or refuses our certificate, is no reason for the others to end.
void report(const std::exception_ptr& error) { std::cerr << "a connection failed: " << tb::describe(error) << '\n'; }

template <class Handler>
void serve_until_terminated(Handler handler) {
    tb::open_nursery([&](tb::nursery& connections) {
        auto signals = tb::os::open_signal_receiver({SIGTERM});
        tb::open_nursery([&](tb::nursery& accepting) {
            const endpoints at = accepting.start<endpoints>([&](tb::task_status<endpoints>& status) {
                tb::net::serve_tcp(
                    handler, 0,
                    {.host = "127.0.0.1",
                     .on_handler_error = report,
                     .handler_nursery = &connections,
                     .status = &status});
            });
            std::cout << at.front().port() << std::endl;
            signals.receive();
            accepting.cancel_scope().cancel("terminated");
        });
    });
}

int serve([[maybe_unused]] int argc, [[maybe_unused]] char** argv) {
    if (argc == 1) {
        serve_until_terminated([](tb::net::tcp_stream& stream) { converse(stream); });
        return 0;
    }
#if defined(TOMBOLO_TEST_TLS)
    const auto context =
        tb::net::tls_context::server(tb::net::pem::file(argv[1]), tb::net::pem::file(argv[2]), {.alpn = {"http/1.1"}});
    serve_until_terminated([&context](tb::net::tcp_stream transport) {
        tb::net::tls_stream stream(std::move(transport), context, {.https_compatible = true});
        converse(stream);
        stream.aclose();
    });
    return 0;
#else
    std::cerr << "this build has no TLS\n";
    return 77;
#endif
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 1 && argc != 3) {
        std::cerr << "usage: http_server [CHAIN KEY]\n";
        return 2;
    }
    try {
        return tb::run([&] { return serve(argc, argv); });
    } catch (const std::exception& error) {
        std::cerr << "http_server: " << tb::describe(std::current_exception()) << '\n';
        return 1;
    }
}
