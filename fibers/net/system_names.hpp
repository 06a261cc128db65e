#pragma once

#include <tombolo/fibers/net/resolve.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

// Names as getaddrinfo(3) and its kin know them. Each question blocks a thread of its own, which is abandoned when its task is
// cancelled.
namespace tombolo::net {

std::vector<endpoint> ask_system(std::string_view host, std::uint16_t port, const resolve_options& options);
std::uint16_t ask_system_for_port(std::string_view service, const resolve_options& options);
std::string ask_system_for_name(const endpoint& of);

extern const int no_name_code;
extern const int wrong_family_code;

[[noreturn]] void throw_resolve_error(int code, const std::string& what);

}  // namespace tombolo::net
