#include "fibers/testing/fake_net_stream.hpp"

#include <tombolo/fibers/clock.hpp>
#include <tombolo/fibers/io_error.hpp>
#include <tombolo/fibers/run.hpp>

#include <algorithm>
#include <cerrno>
#include <string>
#include <utility>

#include <sys/socket.h>

namespace tombolo::kernel {

fake_stream::fake_stream(std::shared_ptr<fake_network> network, fake_host& host, net::family family)
    : fake_socket(std::move(network), host, family, net::socket_type::stream), number_(network_->next_number++) {}

void send_reset(fake_network& network, fake_host& from, fake_host& to, std::weak_ptr<fake_stream> target) {
    if (!in_run()) return;
    fake_path& path = network.path(from, to);
    network.wire.post(path.arrival(0), [&path, target = std::move(target)] {
        const auto reached = target.lock();
        if (reached != nullptr && !path.is_cut) reached->reset();
    });
}

void fake_stream::require_connected(const char* what) const {
    if (phase_ != phase::connected) throw io_error(ENOTCONN, what);
}

std::optional<std::size_t> fake_stream::try_receive(
    std::span<const mutable_bytes> buffers, net::received_from& result, int flags) {
    require_open("socket::receive");
    require_connected("socket::receive");
    result.from = remote_;
    if (size_of(buffers) == 0) return 0;
    if (in_->has_arrived()) return in_->take(buffers, (flags & MSG_PEEK) != 0);
    if (receive_shut_ || in_->has_ended()) return 0;
    if (reset_) throw io_error(ECONNRESET, "socket::receive");
    return std::nullopt;
}

std::optional<std::size_t> fake_stream::try_send(std::span<const const_bytes> buffers, const net::endpoint* to) {
    require_open("socket::send");
    require_connected("socket::send");
    if (to != nullptr) throw io_error(EISCONN, "socket::send to " + to->to_string());
    if (send_shut_) throw io_error(EPIPE, "socket::send");
    if (reset_) throw io_error(ECONNRESET, "socket::send");
    const std::size_t size = size_of(buffers);
    if (size == 0) return 0;
    const std::size_t room = std::min(size, out_->room());
    if (room == 0) return std::nullopt;
    std::string piece;
    piece.reserve(room);
    for (const const_bytes& each : buffers) piece += each.up_to(room - piece.size()).text();
    out_->send(std::move(piece));
    return room;
}

void fake_stream::shutdown(net::shutdown_side side) {
    require_open("socket::shutdown");
    require_connected("socket::shutdown");
    if (side != net::shutdown_side::receive) {
        send_shut_ = true;
        out_->end();
        wake_writer();
    }
    if (side != net::shutdown_side::send) {
        receive_shut_ = true;
        wake_reader();
    }
}

bool fake_stream::is_readable() const {
    if (phase_ == phase::listening) return !waiting_.empty();
    if (phase_ == phase::connecting) return false;
    return phase_ == phase::idle || reset_ || receive_shut_ || in_->has_arrived() || in_->has_ended();
}

bool fake_stream::is_writable() const {
    if (phase_ == phase::connecting) return false;
    return phase_ != phase::connected || reset_ || send_shut_ || out_->room() != 0;
}

int fake_stream::option(int level, int name) const {
    if (level == SOL_SOCKET && name == SO_ACCEPTCONN) return phase_ == phase::listening ? 1 : 0;
    return fake_socket::option(level, name);
}

void fake_stream::reset() noexcept {
    if (is_closed() || phase_ != phase::connected) return;
    reset_ = true;
    wake_reader();
    wake_writer();
}

void fake_stream::release_held_back() {
    if (in_ != nullptr) in_->release_held_back();
    if (out_ != nullptr) out_->release_held_back();
}

void fake_stream::join(
    const std::shared_ptr<fake_stream>& peer, std::shared_ptr<fake_pipe> in, std::shared_ptr<fake_pipe> out) {
    peer_ = peer;
    remote_ = peer->local();
    in_ = std::move(in);
    out_ = std::move(out);
    phase_ = phase::connected;
    network_->connections.emplace(number_, self());
}

void fake_stream::end() noexcept {
    network_->connections.erase(number_);
    const phase before = std::exchange(phase_, phase::idle);
    ++attempt_;
    for (const auto& each : std::exchange(waiting_, {})) {
        each->break_off();
        each->close();
    }
    if (const auto server = std::exchange(offered_, nullptr)) send_reset(*network_, host_, server->host(), server);
    if (before != phase::connected || reset_) return;
    // What was never received is lost, and the other side has to know.
    if (in_->has_arrived())
        break_off();
    else
        out_->end();
}

void fake_stream::break_off() noexcept {
    reset_ = true;
    if (const auto other = peer()) send_reset(*network_, host_, other->host(), other);
}

}  // namespace tombolo::kernel
