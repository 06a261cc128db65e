#pragma once

#include "fibers/testing/fake_net_wire.hpp"

#include <tombolo/base/time.hpp>
#include <tombolo/fibers/net/endpoint.hpp>
#include <tombolo/fibers/net/socket_backend.hpp>
#include <tombolo/testing/fake_net.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tombolo::kernel {

class fake_socket;
class fake_stream;

/// One direction between two hosts.
class fake_path {
public:
    fake_path(const testing::fake_link& behaviour, std::uint64_t seed) : how(behaviour), random_(seed) {}

    bool loses() { return chance(how.loss); }
    bool duplicates() { return chance(how.duplication); }
    duration jitter();
    /// When something of that size, sent now, arrives.
    time_point arrival(std::size_t size);
    /// The same for a piece of a stream, which is sent again until it is not lost.
    time_point arrival_for_certain(std::size_t size);

    testing::fake_link how;
    bool is_cut = false;

private:
    bool chance(double probability);

    std::mt19937_64 random_;
    time_point busy_until_ = time_point::min();
};

struct fake_host {
    std::string name;
    std::vector<net::endpoint> addresses;  ///< with port 0
    /// The sockets that have a port, by what they are reached at.
    struct place {
        net::socket_type type;
        net::family family;
        std::uint16_t port;
        auto operator<=>(const place&) const = default;
    };
    std::multimap<place, std::weak_ptr<fake_socket>> bound;
    std::uint16_t next_port = 49152;

    bool has(const net::endpoint& address) const;
};

/// The hosts of a fake network and what lies between them.
class fake_network {
public:
    explicit fake_network(const testing::fake_net_options& options);

    void add_host(std::string_view name, const std::vector<std::string>& addresses);
    void add_name(std::string_view name, const std::vector<std::string>& addresses);
    /// Throws: usage_error.
    fake_host& host(std::string_view name, const char* what);
    fake_host& host_of_current_task();
    /// Null when nobody has that address. `from` finds itself at its loopback addresses.
    fake_host* host_at(const net::endpoint& address, fake_host& from);
    /// None when there is no such name.
    std::vector<net::endpoint> addresses_of(std::string_view name) const;

    fake_path& path(const fake_host& from, const fake_host& to);
    void set_cut(std::string_view a, std::string_view b, bool cut, const char* what);
    void isolate(std::string_view host);
    void heal_all();

    /// Gives the socket a port of `host`, at `wanted` or at a port that is free if that is 0. Returns where it is now.
    /// Throws: io_error with EADDRINUSE, EADDRNOTAVAIL.
    net::endpoint bind(fake_host& host, const std::shared_ptr<fake_socket>& which, const net::endpoint& wanted);
    void unbind(fake_host& host, const fake_socket& which) noexcept;
    /// The address that `from` has when it speaks to `to`. Throws: io_error with ENETUNREACH.
    net::endpoint source_address(fake_host& from, const net::endpoint& to);
    /// The socket that is reached there; null when nobody is.
    std::shared_ptr<fake_socket> find(fake_host& host, net::socket_type type, const net::endpoint& at);

    const testing::fake_net_options options;
    testing::fake_net_statistics statistics;
    fake_wire wire;
    /// The connections that are there, by their number.
    std::map<std::uint64_t, std::weak_ptr<fake_stream>> connections;
    std::uint64_t next_number = 0;

private:
    void require_free(std::string_view name, const char* what) const;
    void release_streams();

    std::map<std::string, std::unique_ptr<fake_host>, std::less<>> hosts_;
    std::map<std::string, std::vector<net::endpoint>, std::less<>> names_;  ///< those that are no hosts
    std::map<std::pair<std::string, std::string>, fake_path> paths_;
};

/// Throws: invalid_probability, invalid_duration.
void require_possible(const testing::fake_link& link);

}  // namespace tombolo::kernel
