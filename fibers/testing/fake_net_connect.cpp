#include "fibers/testing/fake_net_stream.hpp"

#include <tombolo/fibers/clock.hpp>
#include <tombolo/fibers/io_error.hpp>

#include <algorithm>
#include <cerrno>
#include <chrono>

// How a fake connection comes about. The client knocks, again and again as knocks may be lost; the server's end is made
// when one is heard; the client has its end when it hears of that.

namespace tombolo::kernel {

namespace {
constexpr duration longest_patience = std::chrono::seconds(64);
}  // namespace

void fake_stream::listen(int backlog) {
    require_open("socket::listen");
    if (phase_ == phase::connecting || phase_ == phase::connected) throw io_error(EINVAL, "socket::listen");
    bind_anywhere(net::endpoint::any(family(), 0));
    backlog_ = static_cast<std::size_t>(std::max(backlog, 1));
    phase_ = phase::listening;
}

std::pair<std::shared_ptr<fake_socket>, net::endpoint> fake_stream::accept() {
    using accepted = std::pair<std::shared_ptr<fake_socket>, net::endpoint>;
    return perform(readers_, "socket::accept", [&]() -> std::optional<accepted> {
        if (phase_ != phase::listening) throw io_error(EINVAL, "socket::accept");
        if (waiting_.empty()) return std::nullopt;
        const std::shared_ptr<fake_stream> first = std::move(waiting_.front());
        waiting_.pop_front();
        return accepted(first, first->remote());
    });
}

void fake_stream::connect(const net::endpoint& to) {
    static constexpr auto what = "socket::connect";
    const std::string text = std::string(what) + " to " + to.to_string();
    lowlevel::checkpoint_if_cancelled();
    require_open(what);
    if (phase_ == phase::connecting) throw io_error(EALREADY, text);
    if (phase_ != phase::idle) throw io_error(EISCONN, text);
    if (to.family() != family()) throw io_error(EAFNOSUPPORT, text);
    const bool is_any = to == net::endpoint::any(to.family(), to.port());
    const net::endpoint target = is_any ? net::endpoint::loopback(to.family(), to.port()) : to;
    const net::endpoint source = network_->source_address(host_, target);
    bind_anywhere(source);
    if (local_ == net::endpoint::any(local_.family(), local_.port())) local_ = source.with_port(local_.port());
    remote_ = target;
    phase_ = phase::connecting;
    connect_error_ = 0;
    knock(++attempt_, saturating_add(now(), network_->options.connect_timeout), std::chrono::seconds(1));
    try {
        while (phase_ == phase::connecting) {
            writers_.wait(what);
            require_open(what);
        }
    } catch (...) {
        close();
        throw;
    }
    if (connect_error_ != 0) throw io_error(connect_error_, text);
}

void fake_stream::knock(std::uint64_t attempt, time_point give_up, duration patience) {
    if (attempt != attempt_ || phase_ != phase::connecting) return;
    if (now() >= give_up) return refused(attempt, ETIMEDOUT);
    const auto again = [self = self(), attempt, give_up, patience] {
        self->knock(attempt, give_up, std::min<duration>(2 * patience, longest_patience));
    };
    network_->wire.post(std::min(give_up, saturating_add(now(), patience)), again);
    fake_host* const there = network_->host_at(remote_, host_);
    if (there == nullptr) return;
    fake_path& path = network_->path(host_, *there);
    if (path.loses()) return;
    network_->wire.post(path.arrival(0), [self = self(), attempt, there, &path] {
        if (path.is_cut || attempt != self->attempt_) return;
        const auto listener = self->network_->find(*there, net::socket_type::stream, self->remote_);
        if (listener != nullptr) return std::static_pointer_cast<fake_stream>(listener)->heard_of(self, attempt);
        fake_path& back = self->network_->path(*there, self->host_);
        self->network_->wire.post(back.arrival(0), [self, attempt, &back] {
            if (!back.is_cut) self->refused(attempt, ECONNREFUSED);
        });
    });
}

/// Called at the listener.
void fake_stream::heard_of(const std::shared_ptr<fake_stream>& client, std::uint64_t attempt) {
    std::shared_ptr<fake_stream> server = client->offered_;
    if (server == nullptr) {
        if (client->phase_ != phase::connecting || waiting_.size() >= backlog_) return;
        server = std::make_shared<fake_stream>(network_, host_, family());
        server->local_ = client->remote_;
        const auto out = std::make_shared<fake_pipe>(network_, server, client);
        const auto in = std::make_shared<fake_pipe>(network_, client, server);
        server->join(client, in, out);
        client->offered_ = server;
        waiting_.push_back(server);
        wake_reader();
    }
    fake_path& back = network_->path(host_, client->host());
    if (back.loses()) return;
    network_->wire.post(back.arrival(0), [client, attempt, server, &back] {
        if (!back.is_cut) client->established(attempt, server);
    });
}

void fake_stream::established(std::uint64_t attempt, const std::shared_ptr<fake_stream>& server) {
    if (attempt != attempt_ || phase_ != phase::connecting) return;
    offered_ = nullptr;
    join(server, server->out_, server->in_);
    reset_ = server->reset_;
    wake_writer();
}

void fake_stream::refused(std::uint64_t attempt, int error) {
    if (attempt != attempt_ || phase_ != phase::connecting) return;
    if (const auto server = std::exchange(offered_, nullptr)) send_reset(*network_, host_, server->host(), server);
    connect_error_ = error;
    remote_ = {};
    phase_ = phase::idle;
    wake_writer();
}

}  // namespace tombolo::kernel
