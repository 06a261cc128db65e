// An HTTP server on Boost.Beast's synchronous functions, with an orderly end: at SIGTERM it accepts nobody any more, closes idle
// connections, lets the requests under way finish, and gives them ten seconds for it. With a PORT it serves there; without one it
// shows itself that this works.
#include <tombolo/tombolo.hpp>

#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <set>
#include <string>
#include <vector>

using namespace std::chrono_literals;
namespace tb = tombolo;
namespace net = tombolo::net;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using endpoints = std::vector<net::endpoint>;

namespace {

class http_server {
public:
    /// Serves until SIGTERM, and then until the requests under way have ended.
    void serve(int port, tb::task_status<endpoints>* status = nullptr) {
        tb::os::signal_receiver signals = tb::os::open_signal_receiver({SIGTERM});
        tb::cancel_scope accepting;
        tb::open_nursery([&](tb::nursery& connections) {
            connections.start_soon([&] {
                signals.receive();
                stopping_ = true;
                accepting.cancel("SIGTERM");
                for (tb::cancel_scope* each : idle_) each->cancel("SIGTERM");
                connections.cancel_scope().deadline(tb::now() + 10s);
            });
            accepting.run([&] {
                net::serve_tcp(
                    [this](net::tcp_stream& client) { converse(client); }, port,
                    {.host = "127.0.0.1",
                     .on_handler_error = report,
                     .handler_nursery = &connections,
                     .status = status});
            });
        });
    }

    /// Set when somebody waits for /slow, and by whoever wants that to end.
    tb::event slow_begun, slow_may_end;
    int served = 0;

private:
    static void report(const std::exception_ptr& error) {
        try {
            std::rethrow_exception(error);
        } catch (const std::exception& known) {
            std::cerr << known.what() << '\n';
        }
    }

    /// One request after the other.
    void converse(net::tcp_stream& client) {
        beast::flat_buffer buffer;
        while (!stopping_) {
            http::request_parser<http::string_body> parser;
            if (!wait_for_request(client, buffer, parser)) return;
            tb::fail_after(30s, [&] { http::read(client, buffer, parser); });
            const auto& request = parser.get();
            http::response<http::string_body> response{http::status::ok, request.version()};
            response.set(http::field::content_type, "text/plain");
            response.keep_alive(request.keep_alive() && !stopping_);
            response.body() = answer(request.target());
            response.prepare_payload();
            ++served;
            http::write(client, response);
            if (!response.keep_alive()) return;
        }
    }

    /// Until then the connection is idle: nothing is lost when it ends. False when the client, or the server, has had enough.
    bool wait_for_request(
        net::tcp_stream& client, beast::flat_buffer& buffer, http::request_parser<http::string_body>& parser) {
        tb::cancel_scope waiting;
        idle_.insert(&waiting);
        const tb::scope_exit leave([&] { idle_.erase(&waiting); });
        beast::error_code error;
        const bool finished = waiting.run([&] { http::read_header(client, buffer, parser, error); });
        if (error && error != http::error::end_of_stream) throw beast::system_error(error);
        return finished && !error;
    }

    std::string answer(beast::string_view target) {
        if (target == "/slow") {
            slow_begun.set();
            tb::move_on_after(5s, [this] { slow_may_end.wait(); });
            return "slow, but it came\n";
        }
        return "hello from " + std::string(target) + "\n";
    }

    std::set<tb::cancel_scope*> idle_;
    bool stopping_ = false;
};

std::string get(net::tcp_stream& from, const std::string& target) {
    http::request<http::empty_body> request{http::verb::get, target, 11};
    request.set(http::field::host, "localhost");
    http::write(from, request);
    beast::flat_buffer buffer;
    http::response<http::string_body> response;
    http::read(from, buffer, response);
    return response.body();
}

void show() {
    http_server server;
    tb::open_nursery([&](tb::nursery& n) {
        const int port =
            n.start<endpoints>([&](tb::task_status<endpoints>& status) { server.serve(0, &status); }).front().port();
        net::tcp_stream idle = net::open_tcp_stream("127.0.0.1", port);
        std::cout << get(idle, "/one") << get(idle, "/two");
        n.start_soon([&server, port] {
            net::tcp_stream slow = net::open_tcp_stream("127.0.0.1", port);
            std::cout << get(slow, "/slow") << server.served << " requests served\n";
        });
        server.slow_begun.wait();
        static_cast<void>(std::raise(SIGTERM));
        char byte;
        std::cout << "the idle connection ends: " << idle.receive_some({&byte, 1}) << '\n';
        try {
            static_cast<void>(net::open_tcp_stream("127.0.0.1", port));
        } catch (const tb::io_error&) {
            std::cout << "nobody is accepted any more\n";
        }
        server.slow_may_end.set();
    });
    std::cout << "done\n";
}

}  // namespace

int main(int argc, char** argv) {
    try {
        tb::run([&] {
            if (argc < 2) return show();
            http_server server;
            server.serve(std::atoi(argv[1]));
        });
    } catch (const std::exception& error) {
        std::cerr << error.what() << '\n';
        return 1;
    }
}
