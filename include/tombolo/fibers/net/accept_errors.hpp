#pragma once

#include <algorithm>
#include <array>
#include <cerrno>

namespace tombolo::net {

/// What accept(2) says about a connection that was lost before it was accepted: nothing is wrong with the listener, and the
/// next connection may be fine. Listeners of tombolo try again and do not tell.
inline constexpr std::array lost_connection_errors{
    ECONNABORTED,    ECONNRESET, EPERM,        EPROTO,       ENETDOWN,       ENOPROTOOPT,
    EHOSTDOWN,       ENONET,     EHOSTUNREACH, EOPNOTSUPP,   ENETUNREACH,    EAFNOSUPPORT,
    EPROTONOSUPPORT, ENOSR,      ETIMEDOUT,    EPFNOSUPPORT, ESOCKTNOSUPPORT};

/// What system calls say when descriptors or memory have run out: it passes when others give some back.
inline constexpr std::array capacity_errors{EMFILE, ENFILE, ENOBUFS, ENOMEM};

constexpr bool is_lost_connection(int error) noexcept {
    return std::ranges::find(lost_connection_errors, error) != lost_connection_errors.end();
}

constexpr bool is_capacity_error(int error) noexcept {
    return std::ranges::find(capacity_errors, error) != capacity_errors.end();
}

}  // namespace tombolo::net
