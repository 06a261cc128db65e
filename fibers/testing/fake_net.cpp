#include <tombolo/testing/fake_net.hpp>

#include "fibers/testing/fake_net_datagrams.hpp"
#include "fibers/testing/fake_net_hosts.hpp"
#include "fibers/testing/fake_net_stream.hpp"

#include <tombolo/fibers/checkpoint.hpp>
#include <tombolo/fibers/io_error.hpp>
#include <tombolo/fibers/system_task.hpp>

#include <cerrno>
#include <string>

#include <netdb.h>

namespace tombolo::testing {

using kernel::fake_network;
using kernel::fake_stream;

/// Makes the sockets.
class fake_net::factory final : public net::socket_provider {
public:
    explicit factory(std::shared_ptr<fake_network> network)
        : network_(std::move(network)), before_(net::set_socket_provider(this)) {}
    factory(const factory&) = delete;
    factory& operator=(const factory&) = delete;
    ~factory() override { net::set_socket_provider(before_); }

    std::unique_ptr<net::socket_backend> open(net::family family, net::socket_type type) override {
        if (family == net::family::local) return nullptr;
        if (family == net::family::unspecified) throw io_error(EAFNOSUPPORT, "socket");
        kernel::fake_host& host = network_->host_of_current_task();
        switch (type) {
        case net::socket_type::stream:
            return kernel::as_backend(std::make_shared<fake_stream>(network_, host, family));
        case net::socket_type::datagram:
            return kernel::as_backend(std::make_shared<kernel::fake_datagrams>(network_, host, family));
        case net::socket_type::sequenced_packet:
            break;
        }
        throw io_error(EPROTONOSUPPORT, "socket");
    }

private:
    std::shared_ptr<fake_network> network_;
    net::socket_provider* before_;
};

/// Knows the hosts by their names.
class fake_net::names final : public net::resolver {
public:
    explicit names(std::shared_ptr<fake_network> network)
        : network_(std::move(network)), before_(net::set_resolver(this)) {}
    names(const names&) = delete;
    names& operator=(const names&) = delete;
    ~names() override { net::set_resolver(before_); }

    std::vector<net::endpoint> resolve(
        std::string_view host, std::uint16_t port, const net::resolve_options& options) override {
        checkpoint();
        std::vector<net::endpoint> all;
        if (host == "localhost")
            all = {net::endpoint::loopback(net::family::ipv6, 0), net::endpoint::loopback(net::family::ipv4, 0)};
        else
            all = network_->addresses_of(host);
        if (all.empty())
            throw net::resolve_error(
                EAI_NONAME, "resolve \"" + std::string(host) + "\": the fake network has no host of that name");
        std::vector<net::endpoint> fitting;
        for (const net::endpoint& each : all)
            if (options.family == net::family::unspecified || options.family == each.family())
                fitting.push_back(each.with_port(port));
        if (fitting.empty())
            throw net::resolve_error(
                EAI_NONAME, "resolve \"" + std::string(host) + "\": the host has no address of that family");
        return fitting;
    }

    std::string resolve_name(const net::endpoint& of) override {
        checkpoint();
        if (of.is_loopback()) return "localhost";
        kernel::fake_host* const found = network_->host_at(of, network_->host_of_current_task());
        return found != nullptr ? found->name : of.address();
    }

private:
    std::shared_ptr<fake_network> network_;
    net::resolver* before_;
};

fake_net::fake_net(const fake_net_options& options) : network_(std::make_shared<fake_network>(options)) {
    lowlevel::spawn_system_task([network = network_] { network->wire.carry(); }, {.name = "fake_net: the wire"});
    factory_ = std::make_unique<factory>(network_);
    names_ = std::make_unique<names>(network_);
}

fake_net::~fake_net() { network_->wire.cut(); }

void fake_net::add_host(std::string_view name, std::initializer_list<std::string_view> addresses) {
    network_->add_host(name, std::vector<std::string>(addresses.begin(), addresses.end()));
}

void fake_net::add_host(std::string_view name, const std::vector<std::string>& addresses) {
    network_->add_host(name, addresses);
}

void fake_net::add_name(std::string_view name, std::initializer_list<std::string_view> addresses) {
    network_->add_name(name, std::vector<std::string>(addresses.begin(), addresses.end()));
}

void fake_net::link(std::string_view a, std::string_view b, const fake_link& how) {
    kernel::fake_host& first = network_->host(a, "fake_net::link");
    kernel::fake_host& second = network_->host(b, "fake_net::link");
    kernel::require_possible(how);
    network_->path(first, second).how = how;
    network_->path(second, first).how = how;
}

void fake_net::partition(std::string_view a, std::string_view b) {
    network_->set_cut(a, b, true, "fake_net::partition");
}

void fake_net::isolate(std::string_view host) { network_->isolate(host); }

void fake_net::heal(std::string_view a, std::string_view b) { network_->set_cut(a, b, false, "fake_net::heal"); }

void fake_net::heal() { network_->heal_all(); }

std::size_t fake_net::reset_connections(std::string_view a, std::string_view b) {
    const kernel::fake_host& first = network_->host(a, "fake_net::reset_connections");
    const kernel::fake_host& second = network_->host(b, "fake_net::reset_connections");
    std::size_t ends = 0;
    for (const auto& [number, connection] : network_->connections) {
        const auto end = connection.lock();
        const auto peer = end != nullptr ? end->peer() : nullptr;
        if (peer == nullptr || end->is_reset()) continue;
        const bool is_meant = (&end->host() == &first && &peer->host() == &second) ||
            (&end->host() == &second && &peer->host() == &first);
        if (!is_meant) continue;
        end->reset();
        if (!peer->is_reset()) ++ends;
        peer->reset();
    }
    return ends;
}

fake_net_statistics fake_net::statistics() const noexcept { return network_->statistics; }

}  // namespace tombolo::testing
