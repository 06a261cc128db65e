#pragma once

#include "resource.hpp"
#include "verdict.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <system_error>

namespace legacy_island {

// The legacy code: plain, straight-line, blocking style. It is written once, and nothing in it knows whether the thread
// sleeps in a system call or the fiber steps aside for another one. `Socket` alone knows; it has
//
//     void connect(const address&);                         throws std::system_error; may be called again after that
//     std::size_t send_some(const char*, std::size_t);      throws std::system_error
//     std::size_t receive_some(char*, std::size_t);         0 at the end of the stream; throws std::system_error

template <class Socket>
void connect_to_any(Socket& socket, const resource& wanted) {
    std::optional<std::system_error> last;
    for (const address& candidate : wanted.addresses) {
        try {
            return socket.connect(candidate);
        } catch (const std::system_error& error) {
            last = error;
        }
    }
    if (last) throw *last;
    throw fetch_error(failure::unknown_host, wanted.unresolved);
}

template <class Socket>
void send_all(Socket& socket, std::string_view text) {
    while (!text.empty()) {
        text.remove_prefix(socket.send_some(text.data(), text.size()));
    }
}

/// Fetches one resource and returns what came. A body longer than `body_limit` bytes is given up.
/// Throws: fetch_error, std::system_error.
template <class Socket>
reply fetch(Socket& socket, const resource& wanted, std::size_t body_limit) {
    namespace http = boost::beast::http;
    connect_to_any(socket, wanted);
    send_all(
        socket,
        "GET " + wanted.path + " HTTP/1.1\r\nHost: " + wanted.authority() +
            "\r\nUser-Agent: legacy-island\r\nAccept: */*\r\nConnection: close\r\n\r\n");

    boost::beast::flat_buffer received;
    http::response_parser<http::string_body> parser;
    parser.eager(true);
    parser.body_limit(body_limit);
    while (!parser.is_done()) {
        const auto space = received.prepare(16 * 1024);
        const std::size_t count = socket.receive_some(static_cast<char*>(space.data()), space.size());
        received.commit(count);

        boost::beast::error_code error;
        if (count == 0) {
            if (!parser.got_some()) throw fetch_error(failure::cut_short, "closed without a reply");
            parser.put_eof(error);
        } else {
            received.consume(parser.put(received.data(), error));
        }
        if (error == http::error::need_more) continue;
        if (error == http::error::body_limit) throw fetch_error(failure::body_too_large, error.message());
        if (error == http::error::partial_message) throw fetch_error(failure::cut_short, error.message());
        if (error) throw fetch_error(failure::bad_reply, error.message());
    }
    if (parser.get().result_int() < 200) throw fetch_error(failure::bad_reply, "an interim reply only");
    return {parser.get().result_int(), parser.get().body().size()};
}

}  // namespace legacy_island
