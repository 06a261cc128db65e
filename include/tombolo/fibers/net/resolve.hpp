#pragma once

#include <tombolo/fibers/errors.hpp>
#include <tombolo/fibers/net/endpoint.hpp>
#include <tombolo/fibers/net/socket_backend.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tombolo::net {

/// Thrown when a name has no address, or could not be asked for. The text has the name and what the system says.
/// Source: socket.gaierror.
class resolve_error : public runtime_failure {
public:
    resolve_error(int code, const std::string& what) : runtime_failure(what), code_(code) {}
    /// One of the EAI_ values of <netdb.h>.
    [[nodiscard]] int code() const noexcept { return code_; }

private:
    int code_;
};

struct resolve_options {
    /// Endpoints of this family only.
    net::family family = net::family::unspecified;
    /// What the port is for; a service may have another port for datagrams.
    socket_type type = socket_type::stream;
    /// For listeners: the empty host stands for every address of this machine instead of its loopback addresses.
    bool passive = false;
};

/// Finds the endpoints of a host, in the order in which they are to be tried; at least one. A numeric address is itself, without
/// asking anybody; so are "" (see resolve_options::passive) and "<broadcast>". Everything else goes to the run's resolver if it has
/// one, else to getaddrinfo(3) in a thread.
///
/// Names that are not ASCII go through IDNA 2008 as far as getaddrinfo does it: glibc needs libidn2 and a UTF-8 locale.
///
/// Checkpoint: always. Cancellation: ends the wait at once; the thread is abandoned. Throws: resolve_error; invalid_address for a port that
/// does not exist, and for a host that contains a zero byte; cancelled. Source: trio.socket.getaddrinfo.
[[nodiscard]] std::vector<endpoint> resolve(std::string_view host, int port, const resolve_options& options = {});

/// The same for a service by its name ("https") or number.
/// Checkpoint: always.
[[nodiscard]] std::vector<endpoint> resolve(
    std::string_view host, std::string_view service, const resolve_options& options = {});

/// The name of an endpoint's host, or its numeric address if it has none.
/// Checkpoint: always. Cancellation, Throws: as resolve(). Requires: not a path. Source: trio.socket.getnameinfo.
[[nodiscard]] std::string resolve_name(const endpoint& of);

/// Answers for names instead of the system: a cache, a DNS client, a network made for tests. It is not asked for numeric
/// addresses and the other hosts that need no asking. Both calls keep the contract of the functions above: always a checkpoint.
/// Source: trio.abc.HostnameResolver.
class resolver {
public:
    virtual ~resolver() = default;
    /// Returns the endpoints of `host`, with `port`; or throws, best a resolve_error.
    virtual std::vector<endpoint> resolve(
        std::string_view host, std::uint16_t port, const resolve_options& options) = 0;
    /// The default asks the system.
    virtual std::string resolve_name(const endpoint& of);
};

/// From now on the run's names are answered by `answering` (null: by the system). Returns the previous one. It outlives the run, or its
/// replacement. Checkpoint: never. Throws: not_in_run. Source: trio.socket.set_custom_hostname_resolver.
resolver* set_resolver(resolver* answering);

}  // namespace tombolo::net
