#pragma once

#include <tombolo/base/time.hpp>
#include <tombolo/fibers/net/resolve.hpp>
#include <tombolo/fibers/net/socket_backend.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace tombolo::kernel {
class fake_network;

/// The host that the current task's sockets belong to, for a while.
class fake_host_choice {
public:
    fake_host_choice(fake_network& network, std::string_view host);
    fake_host_choice(const fake_host_choice&) = delete;
    fake_host_choice& operator=(const fake_host_choice&) = delete;
    ~fake_host_choice();

private:
    std::string before_;
};
}  // namespace tombolo::kernel

namespace tombolo::testing {

/// How the network behaves between two hosts, in each direction.
struct fake_link {
    duration latency = std::chrono::milliseconds(1);
    /// Each datagram takes up to this much longer, so that they overtake each other. Streams keep their order.
    duration jitter = duration::zero();
    /// How likely it is that a datagram is lost or arrives twice. What a stream loses is sent again, at most ten times,
    /// and so comes later. Units: 0 is never, 1 always.
    double loss = 0;
    double duplication = 0;
    /// Units: bytes a second; 0: no limit.
    std::size_t bandwidth = 0;
};

struct fake_net_options {
    /// What the losses, duplications and jitters come from. Each direction of each link has numbers of its own, so that
    /// what happens on one does not change what happens on another.
    std::uint64_t seed = 1;
    /// Between hosts that link() was not called for. A host reaches itself at once and without loss.
    fake_link link = {};
    /// How many bytes of a stream can be on their way or wait to be received, in each direction.
    std::size_t stream_buffer = 65536;
    /// How many bytes of datagrams wait at a socket; what comes then is lost.
    std::size_t datagram_buffer = 212992;
    /// How long connect() tries before it fails with ETIMEDOUT: where nobody answers.
    duration connect_timeout = std::chrono::seconds(127);
};

/// What the datagrams of a network came to. Every one that is sent, or is made by duplication, ends up in one of the
/// others.
struct fake_net_statistics {
    std::size_t sent = 0;
    std::size_t duplicated = 0;
    std::size_t lost = 0;  ///< by chance, in a partition, for lack of buffers, or since nobody was there to receive it
    std::size_t arrived = 0;  ///< received or waiting to be
    bool operator==(const fake_net_statistics&) const = default;
};

/// A network in memory and in virtual time. While it lives, the sockets of the run belong to it: tcp_stream,
/// tcp_listener, udp_socket, open_tcp_stream, serve_tcp and everything that stands on net::socket run on it unchanged;
/// and names are those of its hosts.
///
/// Use it to test what networks do to programs, in no time and again and again the same: latency, loss, datagrams that
/// overtake each other, slow links, hosts that do not answer, partitions, connections that are reset, ports that are
/// taken.
///
///     fake_net network({.seed = 7, .link = {.latency = 20ms, .loss = 0.3}});
///     network.add_host("server", {"10.0.0.2", "fd00::2"});
///     network.run_on("server", [&] { n.start_soon(serve); });
///     network.partition("here", "server");
///
/// A task's sockets belong to a host: to the one named by run_on(), there and in the tasks that are started there; else
/// to "here" with the addresses 192.0.2.1 and 2001:db8::1. Each host reaches itself at 127.0.0.1 and ::1.
///
/// Nothing answers at addresses that no host has: connect() waits there until its time is up. Sockets of the local
/// family are the system's. Multicast, broadcast, urgent data and ancillary data do not exist. Most socket options are
/// kept and do nothing.
///
/// Meant for a run with a mock clock that jumps by itself (TOMBOLO_TEST); with another clock, everything takes its
/// time.
/// Requires: one at a time in a run. Lifetime: made and destroyed in the run; outlives the use of its sockets.
/// Immovable.
/// Source: trio.testing's FakeNet, which carries datagrams only.
class fake_net {
public:
    /// Checkpoint: never. Throws: invalid_probability, invalid_duration, invalid_count for options out of range;
    /// not_in_run.
    explicit fake_net(const fake_net_options& options = {});
    fake_net(const fake_net&) = delete;
    fake_net& operator=(const fake_net&) = delete;
    /// From now on sockets come from where they came from before.
    ~fake_net();

    /// Adds a host with numeric addresses, in the order in which its name is resolved to them.
    /// Checkpoint: never. Throws: usage_error when the name or an address is taken; invalid_address.
    void add_host(std::string_view name, std::initializer_list<std::string_view> addresses);
    void add_host(std::string_view name, const std::vector<std::string>& addresses);

    /// Adds a name that stands for these addresses, of any hosts or of none: a service with replicas, an address that
    /// does not answer.
    /// Checkpoint: never. Throws: as add_host(), but an address may have several names.
    void add_name(std::string_view name, std::initializer_list<std::string_view> addresses);

    /// Calls `f` and returns what it returns; sockets made in it, and in the tasks that it starts, belong to that host.
    /// Throws: usage_error for a host that does not exist; what `f` throws.
    template <class F>
    auto run_on(std::string_view host, F&& f) -> std::invoke_result_t<F> {
        const kernel::fake_host_choice there(*network_, host);
        return std::forward<F>(f)();
    }

    /// From now on the two hosts are connected like that.
    /// Checkpoint: never. Throws: usage_error for a host that does not exist; as the constructor.
    void link(std::string_view a, std::string_view b, const fake_link& how);

    /// Nothing passes between the two hosts any more: datagrams are lost, streams and connects wait. Again: does
    /// nothing.
    /// Checkpoint: never. Throws: usage_error for a host that does not exist.
    void partition(std::string_view a, std::string_view b);
    /// The same between a host and all others.
    void isolate(std::string_view host);
    /// Ends the partition; streams go on where they were. Checkpoint: never.
    void heal(std::string_view a, std::string_view b);
    /// Ends all partitions. Checkpoint: never.
    void heal();

    /// Resets all connections between the two hosts, and returns how many there were: both ends get ECONNRESET at once.
    /// Checkpoint: never. Throws: usage_error for a host that does not exist.
    std::size_t reset_connections(std::string_view a, std::string_view b);

    fake_net_statistics statistics() const noexcept;

private:
    class factory;
    class names;

    std::shared_ptr<kernel::fake_network> network_;
    std::unique_ptr<factory> factory_;
    std::unique_ptr<names> names_;
};

/// Thrown for a probability that is less than 0 or greater than 1, or no number.
class invalid_probability : public usage_error {
public:
    using usage_error::usage_error;
};

}  // namespace tombolo::testing
