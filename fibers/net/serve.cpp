#include <tombolo/fibers/net/serve.hpp>

#include <tombolo/fibers/errors.hpp>
#include <tombolo/fibers/exception_group.hpp>
#include <tombolo/fibers/net/accept_errors.hpp>
#include <tombolo/fibers/timeouts.hpp>

#include <chrono>
#include <cstdio>
#include <string>
#include <utility>

namespace tombolo::kernel {

namespace {

constexpr auto pause = std::chrono::milliseconds(100);

bool is_a_way_out(const std::exception_ptr& error) { return is_cancelled(error) || holds<keyboard_interrupt>(error); }

/// What of an error may be reported, and what has to go on.
split_result divide(const std::exception_ptr& error) {
    if (is_a_way_out(error)) return {.match = nullptr, .rest = error};
    if (!holds<base_exception_group>(error) || holds<exception_group>(error)) return {.match = error, .rest = nullptr};
    try {
        std::rethrow_exception(error);
    } catch (const base_exception_group& group) {
        const auto way_out = [](const std::exception_ptr& each) { return is_a_way_out(each); };
        const split_result found = group.split(way_out);
        return {.match = found.rest, .rest = found.match};
    }
}

}  // namespace

served_connections::served_connections(net::serve_options options, std::size_t listeners)
    : options_(std::move(options)) {
    if (listeners == 0) throw invalid_count("serve_listeners: there are no listeners; open_tcp_listeners() makes some");
    if (options_.max_connections == 0)
        throw invalid_count("serve_listeners: max_connections is 0, so nobody could ever connect; give at least 1");
}

void served_connections::wait_for_room() {
    while (open_ >= options_.max_connections) waiting_.park("serve_listeners, at max_connections");
}

void served_connections::end() {
    // All, as some have a connection in hand and others only want one.
    if (open_-- == options_.max_connections && !waiting_.empty()) waiting_.unpark_all();
}

void served_connections::wait_out(const io_error& error) {
    if (!net::is_capacity_error(error.number())) throw;
    if (options_.on_exhausted)
        options_.on_exhausted(error);
    else
        std::fprintf(stderr, "tombolo: serve_listeners: %s; trying again in 100 ms\n", error.what());
    sleep_for(pause);
}

void served_connections::handler_failed() {
    if (!options_.on_handler_error) throw;
    const split_result parts = divide(std::current_exception());
    if (parts.match) options_.on_handler_error(parts.match);
    if (parts.rest) std::rethrow_exception(parts.rest);
}

}  // namespace tombolo::kernel
