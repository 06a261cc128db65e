#pragma once

#include "fibers/testing/exclusive_use.hpp"
#include "fibers/testing/fake_net_hosts.hpp"

#include <tombolo/base/bytes.hpp>
#include <tombolo/fibers/checkpoint.hpp>
#include <tombolo/fibers/net/endpoint.hpp>
#include <tombolo/fibers/net/socket_backend.hpp>
#include <tombolo/fibers/parking_lot.hpp>

#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <utility>

namespace tombolo::kernel {

/// Who waits at a socket, in one direction: one task at most.
class fake_side {
public:
    /// Throws: busy_resource.
    void wait(const char* what) {
        const testing::exclusive_use mine(awaited_, what);
        lot_.park(what);
    }
    void wake() noexcept { lot_.unpark_one(); }

private:
    lowlevel::parking_lot lot_;
    bool awaited_ = false;
};

/// A socket of a fake network. Shared, as it goes on for what is on its way to it, and for who is in one of its calls,
/// when the net::socket has been closed or destroyed.
class fake_socket : public std::enable_shared_from_this<fake_socket> {
public:
    fake_socket(std::shared_ptr<fake_network> network, fake_host& host, net::family family, net::socket_type type)
        : network_(std::move(network)), host_(host), family_(family), type_(type) {}
    fake_socket(const fake_socket&) = delete;
    fake_socket& operator=(const fake_socket&) = delete;
    virtual ~fake_socket() = default;

    net::family family() const noexcept { return family_; }
    net::socket_type type() const noexcept { return type_; }
    fake_host& host() const noexcept { return host_; }
    bool is_closed() const noexcept { return closed_; }
    /// Where it is reached; no address before it has one.
    const net::endpoint& local() const noexcept { return local_; }
    const net::endpoint& remote() const noexcept { return remote_; }

    void bind(const net::endpoint& to);
    virtual void listen(int backlog) = 0;
    virtual std::pair<std::shared_ptr<fake_socket>, net::endpoint> accept() = 0;
    virtual void connect(const net::endpoint& to) = 0;
    std::size_t receive(std::span<const mutable_bytes> buffers, net::received_from& result, int flags);
    std::size_t send(std::span<const const_bytes> buffers, const net::endpoint* to);
    virtual void shutdown(net::shutdown_side side) = 0;
    virtual bool is_readable() const = 0;
    virtual bool is_writable() const = 0;
    void wait_readable();
    void wait_writable();
    net::endpoint remote_endpoint() const;
    void set_option(int level, int name, int value);
    virtual int option(int level, int name) const;
    /// Checkpoint: never.
    void close() noexcept;

    /// Whether what comes for its endpoint from somebody new is for it.
    virtual bool takes_newcomers() const = 0;

    // One try, empty when it would have to wait. Throws: io_error.
    virtual std::optional<std::size_t> try_receive(
        std::span<const mutable_bytes> buffers, net::received_from& result, int flags) = 0;
    virtual std::optional<std::size_t> try_send(std::span<const const_bytes> buffers, const net::endpoint* to) = 0;

    void require_open(const char* what) const;

protected:
    /// What the kind of socket does to be closed.
    virtual void end() noexcept = 0;

    /// Binds to a free port at that address if it is not bound. Throws: io_error.
    void bind_anywhere(const net::endpoint& address);

    /// Tries, and waits until it is worth another try. A cancelled call has done nothing.
    template <class Attempt>
    auto perform(fake_side& side, const char* what, Attempt attempt) {
        lowlevel::checkpoint_if_cancelled();
        require_open(what);
        if (auto result = attempt()) {
            lowlevel::cancel_shielded_checkpoint();
            return std::move(*result);
        }
        for (;;) {
            side.wait(what);
            require_open(what);
            if (auto result = attempt()) return std::move(*result);
        }
    }

    fake_side readers_;
    fake_side writers_;
    std::shared_ptr<fake_network> network_;
    fake_host& host_;
    net::endpoint local_;
    net::endpoint remote_;

private:
    std::map<std::pair<int, int>, int> options_;
    net::family family_;
    net::socket_type type_;
    bool closed_ = false;
};

std::size_t size_of(std::span<const const_bytes> buffers) noexcept;
std::size_t size_of(std::span<const mutable_bytes> buffers) noexcept;
/// Fills the buffers one after the other; returns how many bytes found room.
std::size_t scatter(const_bytes bytes, std::span<const mutable_bytes> buffers) noexcept;

/// A net::socket's hold of a fake socket.
std::unique_ptr<net::socket_backend> as_backend(std::shared_ptr<fake_socket> socket);

}  // namespace tombolo::kernel
