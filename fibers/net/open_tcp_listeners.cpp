#include <tombolo/fibers/net/open_tcp_listeners.hpp>

#include <tombolo/fibers/errors.hpp>
#include <tombolo/fibers/io_error.hpp>
#include <tombolo/fibers/net/resolve.hpp>

#include <cerrno>
#include <exception>
#include <string>
#include <utility>

#include <netinet/in.h>
#include <sys/socket.h>

namespace tombolo::net {

namespace {

tcp_listener listen_at(const endpoint& at, int backlog) {
    socket opened(at.family(), socket_type::stream);
    opened.set_option(SOL_SOCKET, SO_REUSEADDR, 1);
    if (at.family() == family::ipv6) opened.set_option(IPPROTO_IPV6, IPV6_V6ONLY, 1);
    opened.bind(at);
    opened.listen(backlog);
    return tcp_listener(std::move(opened));
}

bool is_unknown_family(const io_error& error) {
    return error.number() == EAFNOSUPPORT || error.number() == EPROTONOSUPPORT;
}

}  // namespace

std::vector<tcp_listener> open_tcp_listeners(int port, const tcp_listeners_options& options) {
    if (options.backlog < 1)
        throw invalid_count(
            "open_tcp_listeners: the backlog is " + std::to_string(options.backlog) +
            "; it counts the connections that may wait, at least 1");
    const std::vector<endpoint> endpoints = resolve(options.host, port, {.passive = true});
    std::vector<tcp_listener> listeners;
    std::exception_ptr skipped;
    for (const endpoint& each : endpoints) {
        try {
            listeners.push_back(listen_at(each, options.backlog));
        } catch (const io_error& error) {
            if (!is_unknown_family(error)) throw;
            if (!skipped) skipped = std::current_exception();
        }
    }
    if (listeners.empty()) std::rethrow_exception(skipped);
    return listeners;
}

}  // namespace tombolo::net
