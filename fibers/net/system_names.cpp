#include "fibers/net/system_names.hpp"

#include <tombolo/fibers/to_thread.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>
#include <system_error>

#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

namespace tombolo::net {

namespace {

struct free_list {
    void operator()(addrinfo* list) const noexcept { ::freeaddrinfo(list); }
};
using address_list = std::unique_ptr<addrinfo, free_list>;

[[noreturn]] void refuse(int code, const std::string& what, int error) {
    const std::string reason = code == EAI_SYSTEM ? std::generic_category().message(error) : ::gai_strerror(code);
    throw resolve_error(code, what + ": " + reason);
}

int raw_family(net::family of) {
    switch (of) {
    case family::ipv4:
        return AF_INET;
    case family::ipv6:
        return AF_INET6;
    default:
        return AF_UNSPEC;
    }
}

int raw_type(socket_type of) {
    switch (of) {
    case socket_type::stream:
        return SOCK_STREAM;
    case socket_type::datagram:
        return SOCK_DGRAM;
    case socket_type::sequenced_packet:
        return SOCK_SEQPACKET;
    }
    return 0;
}

address_list look_up(const char* host, const char* service, const addrinfo& hints, const std::string& what) {
    addrinfo* found = nullptr;
    const int code = ::getaddrinfo(host, service, &hints, &found);
    if (code != 0) refuse(code, what, errno);
    return address_list(found);
}

bool is_ascii(std::string_view text) {
    return std::ranges::all_of(text, [](char each) { return static_cast<unsigned char>(each) < 128; });
}

to_thread_options abandoned() { return {.limiter = {}, .abandon_on_cancel = true, .name = "tombolo resolve"}; }

}  // namespace

const int no_name_code = EAI_NONAME;
const int wrong_family_code = EAI_FAMILY;

void throw_resolve_error(int code, const std::string& what) { refuse(code, what, 0); }

std::vector<endpoint> ask_system(std::string_view host, std::uint16_t port, const resolve_options& options) {
    return to_thread(
        [host = std::string(host), port, options] {
            addrinfo hints{};
            hints.ai_family = raw_family(options.family);
            hints.ai_socktype = raw_type(options.type);
            hints.ai_flags = (options.passive ? AI_PASSIVE : 0) | (is_ascii(host) ? 0 : AI_IDN);
            const std::string what = "resolve \"" + host + "\"";
            const address_list found = look_up(host.c_str(), nullptr, hints, what);
            std::vector<endpoint> endpoints;
            for (const addrinfo* each = found.get(); each != nullptr; each = each->ai_next) {
                if (each->ai_family != AF_INET && each->ai_family != AF_INET6) continue;
                const endpoint at = endpoint::from_raw(each->ai_addr, each->ai_addrlen).with_port(port);
                if (std::ranges::find(endpoints, at) == endpoints.end()) endpoints.push_back(at);
            }
            if (endpoints.empty()) refuse(EAI_NONAME, what, 0);
            return endpoints;
        },
        abandoned());
}

std::uint16_t ask_system_for_port(std::string_view service, const resolve_options& options) {
    return to_thread(
        [service = std::string(service), type = options.type] {
            addrinfo hints{};
            hints.ai_family = AF_INET;
            hints.ai_socktype = raw_type(type);
            const address_list found =
                look_up(nullptr, service.c_str(), hints, "resolve the service \"" + service + "\"");
            return endpoint::from_raw(found->ai_addr, found->ai_addrlen).port();
        },
        abandoned());
}

std::string ask_system_for_name(const endpoint& of) {
    return to_thread(
        [of] {
            std::array<char, NI_MAXHOST> name{};
            const int code = ::getnameinfo(
                static_cast<const sockaddr*>(of.data()), static_cast<socklen_t>(of.size()), name.data(), name.size(),
                nullptr, 0, 0);
            if (code != 0) refuse(code, "resolve the name of " + of.to_string(), errno);
            return std::string(name.data());
        },
        abandoned());
}

}  // namespace tombolo::net
