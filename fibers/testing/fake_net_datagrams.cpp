#include "fibers/testing/fake_net_datagrams.hpp"

#include <tombolo/fibers/clock.hpp>
#include <tombolo/fibers/io_error.hpp>

#include <cerrno>
#include <utility>

#include <sys/socket.h>

namespace tombolo::kernel {

namespace {
constexpr std::size_t largest_datagram = 65507;
}  // namespace

void fake_datagrams::listen(int) { throw io_error(EOPNOTSUPP, "socket::listen"); }

std::pair<std::shared_ptr<fake_socket>, net::endpoint> fake_datagrams::accept() {
    lowlevel::checkpoint_if_cancelled();
    throw io_error(EOPNOTSUPP, "socket::accept");
}

void fake_datagrams::connect(const net::endpoint& to) {
    lowlevel::checkpoint_if_cancelled();
    require_open("socket::connect");
    if (to.family() != family()) throw io_error(EAFNOSUPPORT, "socket::connect to " + to.to_string());
    const net::endpoint source = network_->source_address(host_, to);
    bind_anywhere(source);
    if (local_ == net::endpoint::any(family(), local_.port())) local_ = source.with_port(local_.port());
    remote_ = to;
    lowlevel::cancel_shielded_checkpoint();
}

void fake_datagrams::shutdown(net::shutdown_side side) {
    require_open("socket::shutdown");
    if (!remote_) throw io_error(ENOTCONN, "socket::shutdown");
    send_shut_ |= side != net::shutdown_side::receive;
    receive_shut_ |= side != net::shutdown_side::send;
    readers_.wake();
}

bool fake_datagrams::is_readable() const { return !arrived_.empty() || pending_error_ != 0 || receive_shut_; }

std::optional<std::size_t> fake_datagrams::try_receive(
    std::span<const mutable_bytes> buffers, net::received_from& result, int flags) {
    require_open("socket::receive");
    if (const int error = std::exchange(pending_error_, 0)) throw io_error(error, "socket::receive");
    if (arrived_.empty()) return receive_shut_ ? std::optional<std::size_t>(0) : std::nullopt;
    const datagram& first = arrived_.front();
    const std::size_t count = scatter(first.bytes, buffers);
    result.from = first.from;
    result.truncated = count < first.bytes.size();
    result.flags = result.truncated ? MSG_TRUNC : 0;
    if ((flags & MSG_PEEK) != 0) return count;
    arrived_size_ -= first.bytes.size();
    arrived_.pop_front();
    return count;
}

std::optional<std::size_t> fake_datagrams::try_send(std::span<const const_bytes> buffers, const net::endpoint* to) {
    require_open("socket::send");
    if (to == nullptr && !remote_) throw io_error(EDESTADDRREQ, "socket::send");
    const net::endpoint target = to != nullptr ? *to : remote_;
    const std::string text = "socket::send to " + target.to_string();
    if (const int error = std::exchange(pending_error_, 0)) throw io_error(error, text);
    if (send_shut_) throw io_error(EPIPE, text);
    if (target.family() != family()) throw io_error(EAFNOSUPPORT, text);
    const std::size_t size = size_of(buffers);
    if (size > largest_datagram) throw io_error(EMSGSIZE, text);
    if (target.port() == 0) throw io_error(EINVAL, text);
    const net::endpoint source = network_->source_address(host_, target);
    bind_anywhere(net::endpoint::any(family(), 0));
    datagram sent;
    for (const const_bytes& each : buffers) sent.bytes += each.text();
    sent.from = local_ == net::endpoint::any(family(), local_.port()) ? source.with_port(local_.port()) : local_;
    send_off(sent, target);
    return size;
}

void fake_datagrams::send_off(const datagram& sent, const net::endpoint& to) {
    testing::fake_net_statistics& count = network_->statistics;
    ++count.sent;
    fake_host* const there = network_->host_at(to, host_);
    if (there == nullptr) {
        ++count.lost;
        return;
    }
    fake_path& path = network_->path(host_, *there);
    // Both are drawn for each, so that a loss does not change the fate of those behind it.
    const bool is_lost = path.loses();
    const bool comes_twice = path.duplicates();
    if (is_lost || path.is_cut) {
        ++count.lost;
        return;
    }
    fly(sent, to, *there);
    if (!comes_twice) return;
    ++count.duplicated;
    fly(sent, to, *there);
}

void fake_datagrams::fly(const datagram& sent, const net::endpoint& to, fake_host& there) {
    fake_path& path = network_->path(host_, there);
    const time_point arrives = saturating_add(path.arrival(sent.bytes.size()), path.jitter());
    network_->wire.post(arrives, [self = self(), sent, to, &there, &path] {
        fake_network& network = *self->network_;
        if (path.is_cut) {
            ++network.statistics.lost;
            return;
        }
        const auto found = network.find(there, net::socket_type::datagram, to);
        const bool is_kept = found != nullptr && std::static_pointer_cast<fake_datagrams>(found)->arrive(sent);
        ++(is_kept ? network.statistics.arrived : network.statistics.lost);
        // Nobody is there: who has said that it speaks to nobody else is told.
        if (found != nullptr || self->remote_ != to) return;
        fake_path& back = network.path(there, self->host_);
        network.wire.post(back.arrival(0), [self, &back] {
            if (back.is_cut || self->is_closed()) return;
            self->pending_error_ = ECONNREFUSED;
            self->readers_.wake();
        });
    });
}

bool fake_datagrams::arrive(const datagram& arrived) {
    if (remote_ && remote_ != arrived.from) return false;
    if (arrived_size_ + arrived.bytes.size() > network_->options.datagram_buffer) return false;
    arrived_size_ += arrived.bytes.size();
    arrived_.push_back(arrived);
    readers_.wake();
    return true;
}

}  // namespace tombolo::kernel
