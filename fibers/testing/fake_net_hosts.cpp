#include "fibers/testing/fake_net_hosts.hpp"

#include "fibers/testing/fake_net_socket.hpp"
#include "fibers/testing/fake_net_stream.hpp"

#include <tombolo/fibers/clock.hpp>
#include <tombolo/fibers/io_error.hpp>
#include <tombolo/fibers/task_local.hpp>

#include <algorithm>
#include <cerrno>

namespace tombolo::kernel {

namespace {

constexpr std::uint16_t first_free_port = 49152;

const std::string default_host = "here";
task_local<std::string> host_of_task(default_host);

bool is_any(const net::endpoint& address) { return address.with_port(0) == net::endpoint::any(address.family(), 0); }

void require_probability(double value, const char* what) {
    if (value >= 0 && value <= 1) return;
    throw testing::invalid_probability(
        std::string("fake_net: a ") + what + " of " + std::to_string(value) + " is no probability; give 0 to 1");
}

std::uint64_t mixed(std::uint64_t seed, std::string_view text) {
    for (const char each : text) seed = (seed ^ static_cast<unsigned char>(each)) * 0x100000001b3U;
    return seed;
}

}  // namespace

void require_possible(const testing::fake_link& link) {
    require_probability(link.loss, "loss");
    require_probability(link.duplication, "duplication");
    static_cast<void>(to_timeout(link.latency, "fake_net: latency"));
    static_cast<void>(to_timeout(link.jitter, "fake_net: jitter"));
}

bool fake_path::chance(double probability) {
    // By hand, as the standard distributions differ between libraries. Nothing is drawn for what is certain.
    if (probability <= 0) return false;
    if (probability >= 1) return true;
    return static_cast<double>(random_() >> 11) * 0x1p-53 < probability;
}

duration fake_path::jitter() {
    if (how.jitter == duration::zero()) return duration::zero();
    return duration(static_cast<duration::rep>(random_() % static_cast<std::uint64_t>(how.jitter.count() + 1)));
}

time_point fake_path::arrival(std::size_t size) {
    time_point sent = now();
    if (how.bandwidth != 0) {
        const std::chrono::duration<double> takes(static_cast<double>(size) / static_cast<double>(how.bandwidth));
        sent = saturating_add(std::max(sent, busy_until_), to_duration(takes, "fake_net: bandwidth"));
        busy_until_ = sent;
    }
    return saturating_add(sent, how.latency);
}

time_point fake_path::arrival_for_certain(std::size_t size) {
    time_point arrives = arrival(size);
    duration patience = std::max<duration>(std::chrono::milliseconds(200), 2 * how.latency);
    for (int lost = 0; lost != 10 && loses(); ++lost, patience *= 2) arrives = saturating_add(arrives, patience);
    return arrives;
}

bool fake_host::has(const net::endpoint& address) const {
    return address.is_loopback() || std::ranges::find(addresses, address.with_port(0)) != addresses.end();
}

fake_network::fake_network(const testing::fake_net_options& given) : options(given) {
    require_possible(options.link);
    static_cast<void>(to_timeout(options.connect_timeout, "fake_net: connect_timeout"));
    if (options.stream_buffer == 0)
        throw invalid_count("fake_net: a stream_buffer of 0 bytes carries nothing; give one at least");
    add_host(default_host, {"192.0.2.1", "2001:db8::1"});
}

void fake_network::require_free(std::string_view name, const char* what) const {
    if (name.empty()) throw usage_error(std::string(what) + ": a name has a letter at least");
    if (hosts_.contains(name) || names_.contains(name))
        throw usage_error(std::string(what) + ": the name \"" + std::string(name) + "\" is taken; choose another");
}

void fake_network::add_host(std::string_view name, const std::vector<std::string>& addresses) {
    require_free(name, "fake_net::add_host");
    auto added = std::make_unique<fake_host>();
    added->name = name;
    for (const std::string& text : addresses) {
        const net::endpoint address(text, 0);
        for (const auto& [other_name, other] : hosts_)
            if (other->has(address) || is_any(address))
                throw usage_error(
                    "fake_net::add_host: the address " + text + " cannot be that of \"" + std::string(name) +
                    "\"; it is a special one, or that of \"" + other_name + "\"");
        added->addresses.push_back(address);
    }
    hosts_.emplace(std::string(name), std::move(added));
}

void fake_network::add_name(std::string_view name, const std::vector<std::string>& addresses) {
    require_free(name, "fake_net::add_name");
    std::vector<net::endpoint> all;
    for (const std::string& text : addresses) all.emplace_back(text, std::uint16_t{0});
    names_.emplace(std::string(name), std::move(all));
}

std::vector<net::endpoint> fake_network::addresses_of(std::string_view name) const {
    if (const auto found = hosts_.find(name); found != hosts_.end()) return found->second->addresses;
    const auto found = names_.find(name);
    return found != names_.end() ? found->second : std::vector<net::endpoint>();
}

fake_host& fake_network::host(std::string_view name, const char* what) {
    const auto found = hosts_.find(name);
    if (found == hosts_.end())
        throw usage_error(std::string(what) + ": there is no host \"" + std::string(name) + "\"; add_host() makes one");
    return *found->second;
}

fake_host& fake_network::host_of_current_task() { return host(host_of_task.get(), "fake_net"); }

fake_host* fake_network::host_at(const net::endpoint& address, fake_host& from) {
    if (address.is_loopback() || is_any(address)) return &from;
    for (const auto& [name, host] : hosts_)
        if (host->has(address)) return host.get();
    return nullptr;
}

fake_path& fake_network::path(const fake_host& from, const fake_host& to) {
    const auto found = paths_.find({from.name, to.name});
    if (found != paths_.end()) return found->second;
    const testing::fake_link how = &from == &to ? testing::fake_link{.latency = duration::zero()} : options.link;
    const std::uint64_t seed = mixed(mixed(options.seed, from.name) + 1, to.name);
    return paths_.emplace(std::pair(from.name, to.name), fake_path(how, seed)).first->second;
}

void fake_network::set_cut(std::string_view a, std::string_view b, bool cut, const char* what) {
    fake_host& first = host(a, what);
    fake_host& second = host(b, what);
    path(first, second).is_cut = cut;
    path(second, first).is_cut = cut;
    if (!cut) release_streams();
}

void fake_network::isolate(std::string_view name) {
    fake_host& alone = host(name, "fake_net::isolate");
    for (const auto& [ignored, other] : hosts_)
        if (other.get() != &alone) path(alone, *other).is_cut = path(*other, alone).is_cut = true;
}

void fake_network::heal_all() {
    for (auto& [ends, each] : paths_) each.is_cut = false;
    release_streams();
}

void fake_network::release_streams() {
    for (const auto& [number, connection] : connections)
        if (const auto open = connection.lock()) open->release_held_back();
}

net::endpoint fake_network::bind(
    fake_host& host, const std::shared_ptr<fake_socket>& which, const net::endpoint& wanted) {
    if (!is_any(wanted) && !host.has(wanted)) throw io_error(EADDRNOTAVAIL, "socket::bind to " + wanted.to_string());
    const auto is_taken = [&](std::uint16_t port) {
        const auto [begin, end] = host.bound.equal_range({which->type(), wanted.family(), port});
        return std::any_of(begin, end, [&](const auto& entry) {
            const auto other = entry.second.lock();
            return other != nullptr &&
                (is_any(wanted) || is_any(other->local()) || other->local().with_port(0) == wanted.with_port(0));
        });
    };
    std::uint16_t port = wanted.port();
    if (port == 0) {
        const std::uint16_t first = host.next_port;
        do {
            port = host.next_port;
            host.next_port = port == 65535 ? first_free_port : static_cast<std::uint16_t>(port + 1);
        } while (is_taken(port) && host.next_port != first);
    }
    if (is_taken(port)) throw io_error(EADDRINUSE, "socket::bind to " + wanted.to_string());
    host.bound.emplace(fake_host::place{which->type(), wanted.family(), port}, which);
    return wanted.with_port(port);
}

void fake_network::unbind(fake_host& host, const fake_socket& which) noexcept {
    std::erase_if(host.bound, [&](const auto& entry) {
        const auto other = entry.second.lock();
        return other == nullptr || other.get() == &which;
    });
}

net::endpoint fake_network::source_address(fake_host& from, const net::endpoint& to) {
    if (to.is_loopback() || is_any(to)) return net::endpoint::loopback(to.family(), 0);
    if (from.has(to)) return to.with_port(0);
    for (const net::endpoint& each : from.addresses)
        if (each.family() == to.family()) return each;
    throw io_error(ENETUNREACH, "socket::connect to " + to.to_string());
}

std::shared_ptr<fake_socket> fake_network::find(fake_host& host, net::socket_type type, const net::endpoint& at) {
    const auto [begin, end] = host.bound.equal_range({type, at.family(), at.port()});
    for (auto entry = begin; entry != end; ++entry) {
        const auto found = entry->second.lock();
        if (found != nullptr && (is_any(found->local()) || found->local() == at) && found->takes_newcomers())
            return found;
    }
    return nullptr;
}

fake_host_choice::fake_host_choice(fake_network& network, std::string_view host) : before_(host_of_task.get()) {
    host_of_task.set(network.host(host, "fake_net::run_on").name);
}

fake_host_choice::~fake_host_choice() { host_of_task.set(before_); }

}  // namespace tombolo::kernel
