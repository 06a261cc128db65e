#include <tombolo/fibers/net/resolve.hpp>

#include "fibers/net/system_names.hpp"

#include <tombolo/fibers/checkpoint.hpp>
#include <tombolo/fibers/run.hpp>
#include <tombolo/fibers/run_local.hpp>

#include <charconv>
#include <optional>
#include <utility>

namespace tombolo::net {

namespace {

run_local<resolver*>& run_resolver() {
    static run_local<resolver*> held(nullptr);
    return held;
}

std::uint16_t checked_port(int port, std::string_view host) {
    if (port < 0 || port > 65535)
        throw invalid_address(
            "resolve: port " + std::to_string(port) + " of \"" + std::string(host) +
            "\" does not exist; ports are 0 to 65535");
    return static_cast<std::uint16_t>(port);
}

void require_no_zero(std::string_view text, const char* of_what) {
    if (text.find('\0') != std::string_view::npos)
        throw invalid_address(
            std::string("resolve: a zero byte inside ") + of_what + "; a host is a name or a numeric address");
}

std::vector<endpoint> both_families(const resolve_options& options, std::uint16_t port) {
    const auto make = options.passive ? &endpoint::any : &endpoint::loopback;
    std::vector<endpoint> found;
    for (const net::family each : {family::ipv4, family::ipv6})
        if (options.family == family::unspecified || options.family == each) found.push_back(make(each, port));
    return found;
}

/// What needs no asking. Throws: resolve_error for an address of another family than the one that is wanted.
std::optional<std::vector<endpoint>> without_asking(
    std::string_view host, std::uint16_t port, const resolve_options& options) {
    if (host.empty()) return both_families(options, port);
    endpoint numeric;
    try {
        numeric = endpoint(host == "<broadcast>" ? "255.255.255.255" : host, port);
    } catch (const invalid_address&) {
        return std::nullopt;
    }
    if (options.family != family::unspecified && options.family != numeric.family())
        throw_resolve_error(wrong_family_code, "resolve \"" + std::string(host) + "\"");
    return std::vector{numeric};
}

std::vector<endpoint> ask(std::string_view host, std::uint16_t port, const resolve_options& options) {
    if (resolver* const own = run_resolver().get()) {
        std::vector<endpoint> found = own->resolve(host, port, options);
        if (found.empty()) throw_resolve_error(no_name_code, "resolve \"" + std::string(host) + "\"");
        return found;
    }
    return ask_system(host, port, options);
}

void require_known(const resolve_options& options) {
    if (options.family == family::local)
        throw invalid_address("resolve: hosts have no addresses of the local family; endpoint::local(path) makes one");
}

}  // namespace

std::vector<endpoint> resolve(std::string_view host, int port, const resolve_options& options) {
    const std::uint16_t checked = checked_port(port, host);
    require_no_zero(host, "the host");
    require_known(options);
    if (auto known = without_asking(host, checked, options)) {
        checkpoint();
        return *std::move(known);
    }
    return ask(host, checked, options);
}

std::vector<endpoint> resolve(std::string_view host, std::string_view service, const resolve_options& options) {
    int port = 0;
    const char* const end = service.data() + service.size();
    if (const auto [rest, error] = std::from_chars(service.data(), end, port); error == std::errc() && rest == end)
        return resolve(host, port, options);
    require_no_zero(host, "the host");
    require_no_zero(service, "the service");
    require_known(options);
    const std::uint16_t found = ask_system_for_port(service, options);
    return resolve(host, found, options);
}

std::string resolve_name(const endpoint& of) {
    if (of.family() != family::ipv4 && of.family() != family::ipv6)
        throw invalid_address("resolve_name: " + of.to_string() + " is no address of a host");
    if (resolver* const own = run_resolver().get()) return own->resolve_name(of);
    return ask_system_for_name(of);
}

std::string resolver::resolve_name(const endpoint& of) { return ask_system_for_name(of); }

resolver* set_resolver(resolver* answering) {
    resolver* const before = run_resolver().get();
    run_resolver().set(answering);
    return before;
}

}  // namespace tombolo::net
