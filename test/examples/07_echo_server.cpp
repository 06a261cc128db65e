#include <tombolo/tombolo.hpp>

#include <array>
#include <csignal>
#include <iostream>
#include <string>
#include <string_view>
#include <vector>

// An echo server. `07_echo_server PORT` serves until Ctrl-C; without arguments it serves on a port that the system chooses,
// and is its own client.

namespace tb = tombolo;
using endpoints = std::vector<tb::net::endpoint>;

namespace {

void echo(tb::net::tcp_stream stream) {
    std::array<char, 4096> buffer;
    while (const std::size_t count = stream.receive_some(buffer)) stream.send_all({buffer.data(), count});
}

/// A connection that is lost, or fails otherwise, is no reason for the others to end.
void report(const std::exception_ptr& error) { std::cerr << "a connection failed: " << tb::describe(error) << '\n'; }

void serve(int port, tb::task_status<endpoints>& status) {
    tb::net::serve_tcp(
        echo, port, {.host = "127.0.0.1", .max_connections = 100, .on_handler_error = report, .status = &status});
}

std::string ask(const tb::net::endpoint& server, std::string_view question) {
    tb::net::tcp_stream stream = tb::net::open_tcp_stream("localhost", server.port());
    stream.send_all(question);
    stream.send_eof();
    std::string answer;
    std::array<char, 100> buffer;
    while (const std::size_t count = stream.receive_some(buffer)) answer.append(buffer.data(), count);
    return answer;
}

void serve_and_ask() {
    tb::open_nursery([](tb::nursery& n) {
        // Returns when the server listens, so that no client comes too early.
        const endpoints at = n.start<endpoints>([](tb::task_status<endpoints>& status) { serve(0, status); });
        const std::vector<std::string> questions{"one", "two", "three"};
        for (const std::string& answer :
             tb::map_concurrently(questions, 2, [&](const std::string& question) { return ask(at.front(), question); }))
            std::cout << answer << '\n';
        n.cancel_scope().cancel("the client is done");
    });
    std::cout << "the server has closed\n";
}

void serve_until_interrupted(int port) {
    tb::open_nursery([port](tb::nursery& n) {
        const endpoints at = n.start<endpoints>([port](tb::task_status<endpoints>& status) { serve(port, status); });
        std::cout << "listening at " << at.front().to_string() << std::endl;
        tb::os::open_signal_receiver({SIGINT, SIGTERM}).receive();
        n.cancel_scope().cancel("interrupted");
    });
}

}  // namespace

int main(int argc, char** argv) {
    if (argc > 1)
        tb::run([&] { serve_until_interrupted(std::stoi(argv[1])); });
    else
        tb::run(serve_and_ask);
}
