#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <sys/socket.h>

namespace legacy_island {

/// A socket address in the form the system calls want.
struct address {
    sockaddr_storage storage{};
    socklen_t size = 0;

    const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
    int family() const { return storage.ss_family; }
};

/// One thing to fetch: what the user wrote, taken apart.
struct resource {
    std::string host;  // without the brackets of an IPv6 address
    std::uint16_t port = 0;
    std::string path;                // begins with '/'; may carry a query
    std::vector<address> addresses;  // filled by `resolve`, tried in this order
    std::string unresolved;          // why there are no addresses

    std::string authority() const;  // host:port, as the Host field wants it
    std::string label() const { return authority() + path; }
};

/// Takes `host:port/path` apart. A scheme `http://` in front is accepted, a missing path is "/", a fragment is dropped.
/// Throws: bad_argument.
resource parse_resource(std::string_view text);

}  // namespace legacy_island
