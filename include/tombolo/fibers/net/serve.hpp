#pragma once

#include <tombolo/base/scope_exit.hpp>
#include <tombolo/fibers/io_error.hpp>
#include <tombolo/fibers/net/endpoint.hpp>
#include <tombolo/fibers/net/open_tcp_listeners.hpp>
#include <tombolo/fibers/nursery.hpp>
#include <tombolo/fibers/parking_lot.hpp>
#include <tombolo/fibers/stream.hpp>
#include <tombolo/fibers/task_status.hpp>

#include <concepts>
#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace tombolo::net {

struct serve_options {
    /// How many connections may have a handler at a time; no more are accepted while it is reached. With several listeners, each but
    /// one may have one more connection in hand, which waits for its turn.
    std::size_t max_connections = static_cast<std::size_t>(-1);
    /// What is done with the error of a handler. Empty: it ends the server, and everything else in its nursery. Otherwise this is called in
    /// the connection's task, and only that connection ends; what it throws ends the server. It never gets `cancelled` and
    /// keyboard_interrupt.
    std::function<void(const std::exception_ptr&)> on_handler_error = {};
    /// Called when accept() fails for lack of descriptors or memory, before the pause of 100 ms. Empty: a line on stderr.
    std::function<void(const io_error&)> on_exhausted = {};
    /// Where the handlers run; null: in a nursery of the server's own. With another one, handlers go on when the server is cancelled: that
    /// is how to stop in order. It outlives the server.
    nursery* handler_nursery = nullptr;
    /// The stack of each handler, see spawn_options; 0: the run's.
    std::size_t handler_stack_size = 0;
    /// Hears of it when all listeners accept, and gives their endpoints to who waits in nursery::start.
    task_status<std::vector<endpoint>>* status = nullptr;
};

/// serve_options, and those of open_tcp_listeners().
struct serve_tcp_options {
    std::string_view host = {};
    int backlog = 65535;
    std::size_t max_connections = static_cast<std::size_t>(-1);
    std::function<void(const std::exception_ptr&)> on_handler_error = {};
    std::function<void(const io_error&)> on_exhausted = {};
    nursery* handler_nursery = nullptr;
    std::size_t handler_stack_size = 0;
    task_status<std::vector<endpoint>>* status = nullptr;

    serve_options serving() const {
        return {max_connections, on_handler_error, on_exhausted, handler_nursery, handler_stack_size, status};
    }
};

}  // namespace tombolo::net

namespace tombolo::kernel {

/// What the tasks of one server share. Public only because serve_listeners is a template.
class served_connections {
public:
    /// Throws: invalid_count for a limit of 0 or no listeners.
    served_connections(net::serve_options options, std::size_t listeners);

    const net::serve_options& options() const noexcept { return options_; }
    /// Waits while as many connections are handled as may be.
    void wait_for_room();
    void begin() noexcept { ++open_; }
    void end();
    /// For an error of accept(): reports and pauses when it passes, else throws it.
    void wait_out(const io_error& error);
    /// For the exception that is being handled: reports what may be reported, rethrows the rest.
    void handler_failed();

private:
    net::serve_options options_;
    std::size_t open_ = 0;
    lowlevel::parking_lot waiting_;
};

template <class Handler>
struct server : served_connections {
    server(Handler handler_to_call, net::serve_options with, std::size_t listeners)
        : served_connections(std::move(with), listeners), handler(std::move(handler_to_call)) {}
    Handler handler;
};

/// The body of a connection's task. It counts as open from its making to its destruction.
template <class Handler, class Stream>
class connection_task {
public:
    using named_after = Handler;

    connection_task(std::shared_ptr<server<Handler>> of, Stream stream)
        : server_(std::move(of)), stream_(std::move(stream)) {
        server_->begin();
    }
    connection_task(connection_task&&) noexcept = default;
    connection_task& operator=(connection_task&&) = delete;
    ~connection_task() {
        if (!server_) return;
        stream_.close();
        server_->end();
    }

    void operator()() {
        try {
            if constexpr (std::invocable<Handler&, Stream>)
                std::invoke(server_->handler, std::move(stream_));
            else
                std::invoke(server_->handler, stream_);
        } catch (...) {
            stream_.close();
            server_->handler_failed();
        }
    }

private:
    std::shared_ptr<server<Handler>> server_;
    Stream stream_;
};

template <class Listener, class Handler>
void accept_forever(Listener& listener, nursery& handlers, const std::shared_ptr<server<Handler>>& server) {
    using stream = decltype(listener.accept());
    const scope_exit close([&listener] { listener.close(); });
    for (;;) {
        server->wait_for_room();
        try {
            stream accepted = listener.accept();
            server->wait_for_room();
            handlers.start_soon(
                connection_task<Handler, stream>(server, std::move(accepted)),
                {.stack_size = server->options().handler_stack_size});
        } catch (const io_error& error) {
            server->wait_out(error);
        }
    }
}

template <class Listener>
net::endpoint endpoint_of(const Listener& listener) {
    if constexpr (requires {
                      { listener.local_endpoint() } -> std::convertible_to<net::endpoint>;
                  })
        return listener.local_endpoint();
    else
        return {};
}

}  // namespace tombolo::kernel

namespace tombolo::net {

/// Calls `handler(stream)` in a task of its own for each connection to any of the listeners, until it is cancelled. When the
/// handler is done, the connection is closed by force; a handler that takes its stream by value may give it away instead. All
/// connections share one copy of the handler.
///
/// While descriptors or memory have run out (see is_capacity_error()), each listener tries again every 100 ms.
///
/// Checkpoint: always. Cancellation: the only way out without an error; ends the handlers, unless they have a nursery of their own.
/// Closes the listeners. Throws: an exception_group with what a handler has thrown, or a listener; invalid_count for no listeners,
/// or a limit of 0. Lifetime: what `handler` refers to outlives the nursery of the handlers. Source: trio.serve_listeners.
template <is_listener Listener, class Handler>
void serve_listeners(Handler handler, std::vector<Listener> listeners, serve_options options = {}) {
    using stream = decltype(std::declval<Listener&>().accept());
    static_assert(
        std::invocable<Handler&, stream> || std::invocable<Handler&, stream&>,
        "a handler takes the stream of a connection, by value or by reference");
    const auto server =
        std::make_shared<kernel::server<Handler>>(std::move(handler), std::move(options), listeners.size());
    std::vector<endpoint> endpoints;
    for (const Listener& each : listeners) endpoints.push_back(kernel::endpoint_of(each));
    open_nursery([&](nursery& own) {
        nursery* const given = server->options().handler_nursery;
        for (Listener& each : listeners)
            own.start_soon([&each, &handlers = given != nullptr ? *given : own, &server] {
                kernel::accept_forever(each, handlers, server);
            });
        if (auto* const status = server->options().status) status->started(std::move(endpoints));
    });
}

/// A TCP server: open_tcp_listeners() and serve_listeners().
/// `serve_tcp([](tcp_stream s) { ... }, 8080, {.host = "127.0.0.1", .max_connections = 100});`
/// Checkpoint: always. Cancellation: as serve_listeners. Throws: as both. Source: trio.serve_tcp.
template <class Handler>
void serve_tcp(Handler handler, int port, const serve_tcp_options& options = {}) {
    serve_listeners(
        std::move(handler), open_tcp_listeners(port, {.host = options.host, .backlog = options.backlog}),
        options.serving());
}

}  // namespace tombolo::net
