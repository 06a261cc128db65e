#pragma once

#include "fibers/testing/fake_net_socket.hpp"

#include <cstddef>
#include <deque>
#include <memory>
#include <string>

namespace tombolo::kernel {

/// A socket of UDP's kind.
class fake_datagrams final : public fake_socket {
public:
    fake_datagrams(std::shared_ptr<fake_network> network, fake_host& host, net::family family)
        : fake_socket(std::move(network), host, family, net::socket_type::datagram) {}

    void listen(int backlog) override;
    std::pair<std::shared_ptr<fake_socket>, net::endpoint> accept() override;
    void connect(const net::endpoint& to) override;
    std::optional<std::size_t> try_receive(
        std::span<const mutable_bytes> buffers, net::received_from& result, int flags) override;
    std::optional<std::size_t> try_send(std::span<const const_bytes> buffers, const net::endpoint* to) override;
    void shutdown(net::shutdown_side side) override;
    bool is_readable() const override;
    bool is_writable() const override { return true; }
    bool takes_newcomers() const override { return true; }

private:
    struct datagram {
        std::string bytes;
        net::endpoint from;
    };

    std::shared_ptr<fake_datagrams> self() { return std::static_pointer_cast<fake_datagrams>(shared_from_this()); }
    void send_off(const datagram& sent, const net::endpoint& to);
    void fly(const datagram& sent, const net::endpoint& to, fake_host& there);
    /// Called at the receiver; whether it is kept.
    bool arrive(const datagram& arrived);
    void end() noexcept override {}

    std::deque<datagram> arrived_;
    std::size_t arrived_size_ = 0;
    int pending_error_ = 0;  ///< what became of an earlier datagram; the next call tells
    bool receive_shut_ = false;
    bool send_shut_ = false;
};

}  // namespace tombolo::kernel
