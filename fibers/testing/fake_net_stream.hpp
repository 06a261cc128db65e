#pragma once

#include "fibers/testing/fake_net_pipe.hpp"
#include "fibers/testing/fake_net_socket.hpp"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>

namespace tombolo::kernel {

/// A socket of TCP's kind: one that listens, or an end of a connection.
class fake_stream final : public fake_socket {
public:
    fake_stream(std::shared_ptr<fake_network> network, fake_host& host, net::family family);

    void listen(int backlog) override;
    std::pair<std::shared_ptr<fake_socket>, net::endpoint> accept() override;
    void connect(const net::endpoint& to) override;
    std::optional<std::size_t> try_receive(
        std::span<const mutable_bytes> buffers, net::received_from& result, int flags) override;
    std::optional<std::size_t> try_send(std::span<const const_bytes> buffers, const net::endpoint* to) override;
    void shutdown(net::shutdown_side side) override;
    bool is_readable() const override;
    bool is_writable() const override;
    int option(int level, int name) const override;
    bool takes_newcomers() const override { return phase_ == phase::listening; }

    void wake_reader() noexcept { readers_.wake(); }
    void wake_writer() noexcept { writers_.wake(); }
    /// The connection is no more; what has arrived can be received.
    void reset() noexcept;
    bool is_reset() const noexcept { return reset_; }
    void release_held_back();
    std::shared_ptr<fake_stream> peer() const noexcept { return peer_.lock(); }

private:
    enum class phase : unsigned char { idle, listening, connecting, connected };

    std::shared_ptr<fake_stream> self() { return std::static_pointer_cast<fake_stream>(shared_from_this()); }
    void knock(std::uint64_t attempt, time_point give_up, duration patience);
    void heard_of(const std::shared_ptr<fake_stream>& client, std::uint64_t attempt);
    void refused(std::uint64_t attempt, int error);
    void established(std::uint64_t attempt, const std::shared_ptr<fake_stream>& server);
    void join(const std::shared_ptr<fake_stream>& peer, std::shared_ptr<fake_pipe> in, std::shared_ptr<fake_pipe> out);
    void require_connected(const char* what) const;
    void break_off() noexcept;
    void end() noexcept override;

    // Invariants:
    // 1. connected <=> in_ and out_ are there, and remote_ is known.
    // 2. attempt_ is the number of the latest connect(); what belongs to an earlier one is void.
    phase phase_ = phase::idle;
    std::shared_ptr<fake_pipe> in_;
    std::shared_ptr<fake_pipe> out_;
    std::weak_ptr<fake_stream> peer_;
    std::deque<std::shared_ptr<fake_stream>> waiting_;  ///< connections that nobody has accepted
    std::size_t backlog_ = 0;
    std::shared_ptr<fake_stream> offered_;  ///< the server's end, while this one does not know of it
    std::uint64_t attempt_ = 0;
    std::uint64_t number_;
    int connect_error_ = 0;
    bool receive_shut_ = false;
    bool send_shut_ = false;
    bool reset_ = false;
};

/// Tells `target`, at the other side of the path, that its connection is no more.
void send_reset(fake_network& network, fake_host& from, fake_host& to, std::weak_ptr<fake_stream> target);

}  // namespace tombolo::kernel
