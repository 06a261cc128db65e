#include "fibers/testing/fake_net_socket.hpp"

#include <tombolo/fibers/errors.hpp>
#include <tombolo/fibers/io_error.hpp>
#include <tombolo/fibers/run.hpp>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>

#include <sys/socket.h>

namespace tombolo::kernel {

void fake_socket::require_open(const char* what) const {
    if (closed_) throw closed_resource(std::string(what) + ": the socket was closed");
}

void fake_socket::bind(const net::endpoint& to) {
    lowlevel::checkpoint_if_cancelled();
    require_open("socket::bind");
    if (to.family() != family_) throw io_error(EAFNOSUPPORT, "socket::bind to " + to.to_string());
    if (local_) throw io_error(EINVAL, "socket::bind to " + to.to_string() + ": it is bound already");
    local_ = network_->bind(host_, shared_from_this(), to);
    lowlevel::cancel_shielded_checkpoint();
}

void fake_socket::bind_anywhere(const net::endpoint& address) {
    if (!local_) local_ = network_->bind(host_, shared_from_this(), address.with_port(0));
}

std::size_t fake_socket::receive(std::span<const mutable_bytes> buffers, net::received_from& result, int flags) {
    return perform(readers_, "socket::receive", [&] { return try_receive(buffers, result, flags); });
}

std::size_t fake_socket::send(std::span<const const_bytes> buffers, const net::endpoint* to) {
    return perform(writers_, "socket::send", [&] { return try_send(buffers, to); });
}

void fake_socket::wait_readable() {
    perform(readers_, "socket::wait_readable", [&] { return is_readable() ? std::optional(true) : std::nullopt; });
}

void fake_socket::wait_writable() {
    perform(writers_, "socket::wait_writable", [&] { return is_writable() ? std::optional(true) : std::nullopt; });
}

net::endpoint fake_socket::remote_endpoint() const {
    if (!remote_) throw io_error(ENOTCONN, "socket::remote_endpoint");
    return remote_;
}

void fake_socket::set_option(int level, int name, int value) {
    require_open("socket::set_option");
    options_[{level, name}] = value;
}

int fake_socket::option(int level, int name) const {
    if (level == SOL_SOCKET && name == SO_TYPE) return type_ == net::socket_type::stream ? SOCK_STREAM : SOCK_DGRAM;
    const auto found = options_.find({level, name});
    return found == options_.end() ? 0 : found->second;
}

void fake_socket::close() noexcept {
    if (std::exchange(closed_, true)) return;
    end();
    network_->unbind(host_, *this);
    if (!in_run()) return;
    readers_.wake();
    writers_.wake();
}

std::size_t size_of(std::span<const const_bytes> buffers) noexcept {
    std::size_t size = 0;
    for (const const_bytes& each : buffers) size += each.size();
    return size;
}

std::size_t size_of(std::span<const mutable_bytes> buffers) noexcept {
    std::size_t size = 0;
    for (const mutable_bytes& each : buffers) size += each.size();
    return size;
}

std::size_t scatter(const_bytes bytes, std::span<const mutable_bytes> buffers) noexcept {
    std::size_t done = 0;
    for (const mutable_bytes& each : buffers) {
        const std::size_t count = std::min(each.size(), bytes.size() - done);
        if (count != 0) std::memcpy(each.data(), bytes.data() + done, count);
        done += count;
    }
    return done;
}

namespace {

/// Each call holds the socket by itself: the net::socket lets go of this object when another task closes it.
class backend final : public net::socket_backend {
public:
    explicit backend(std::shared_ptr<fake_socket> socket) noexcept : socket_(std::move(socket)) {}
    ~backend() override { socket_->close(); }

    net::family family() const noexcept override { return socket_->family(); }
    net::socket_type type() const noexcept override { return socket_->type(); }
    void bind(const net::endpoint& to) override { held()->bind(to); }
    void listen(int backlog) override { socket_->listen(backlog); }
    std::pair<std::unique_ptr<net::socket_backend>, net::endpoint> accept() override {
        auto [accepted, from] = held()->accept();
        return {as_backend(std::move(accepted)), from};
    }
    void connect(const net::endpoint& to) override { held()->connect(to); }
    std::size_t receive(std::span<const mutable_bytes> buffers, net::received_from& result, int flags) override {
        return held()->receive(buffers, result, flags);
    }
    std::size_t send(std::span<const const_bytes> buffers, const net::endpoint* to, int) override {
        return held()->send(buffers, to);
    }
    std::optional<std::size_t> try_receive(mutable_bytes buffer, int flags) override {
        net::received_from ignored;
        return socket_->try_receive({&buffer, 1}, ignored, flags);
    }
    std::optional<std::size_t> try_send(const_bytes bytes, int) override {
        return socket_->try_send({&bytes, 1}, nullptr);
    }
    void shutdown(net::shutdown_side side) override { socket_->shutdown(side); }
    bool is_readable() override { return socket_->is_readable(); }
    void wait_readable() override { held()->wait_readable(); }
    void wait_writable() override { held()->wait_writable(); }
    net::endpoint local_endpoint() const override {
        return socket_->local() ? socket_->local() : net::endpoint::any(socket_->family(), 0);
    }
    net::endpoint remote_endpoint() const override { return socket_->remote_endpoint(); }
    void set_option(int level, int name, int value) override { socket_->set_option(level, name, value); }
    int option(int level, int name) const override { return socket_->option(level, name); }
    void close() noexcept override { socket_->close(); }

private:
    std::shared_ptr<fake_socket> held() const noexcept { return socket_; }

    const std::shared_ptr<fake_socket> socket_;
};

}  // namespace

std::unique_ptr<net::socket_backend> as_backend(std::shared_ptr<fake_socket> socket) {
    return std::make_unique<backend>(std::move(socket));
}

}  // namespace tombolo::kernel
