#include "resource.hpp"

#include "bad_argument.hpp"

#include <algorithm>
#include <charconv>

namespace legacy_island {

namespace {

[[noreturn]] void reject(const std::string& why, std::string_view text) {
    throw bad_argument(why + " in '" + std::string(text) + "'");
}

bool is_name_character(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
        c == '_';
}

bool is_ipv6_character(char c) { return is_name_character(c) || c == ':' || c == '%'; }

// Control characters would let an argument write header fields of its own; the rest must be percent-encoded anyway.
bool is_path_character(char c) { return c > ' ' && c < '\x7f'; }

std::uint16_t parse_port(std::string_view digits, std::string_view text) {
    unsigned port = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
    if (error != std::errc() || end != digits.data() + digits.size() || port == 0 || port > 65535) {
        reject("bad port '" + std::string(digits) + "' (want 1 to 65535)", text);
    }
    return static_cast<std::uint16_t>(port);
}

}  // namespace

std::string resource::authority() const {
    const std::string shown = host.find(':') == std::string::npos ? host : "[" + host + "]";
    return shown + ":" + std::to_string(port);
}

resource parse_resource(std::string_view text) {
    std::string_view rest = text;
    if (rest.starts_with("https://")) {
        reject("only plain HTTP is spoken here, no TLS,", text);
    }
    if (rest.starts_with("http://")) {
        rest.remove_prefix(7);
    }
    const std::size_t authority_end = std::min(rest.find_first_of("/?#"), rest.size());
    const std::string_view authority = rest.substr(0, authority_end);
    std::string_view path = rest.substr(authority_end);
    path = path.substr(0, path.find('#'));

    const bool bracketed = authority.starts_with('[');
    const std::size_t host_end = bracketed ? authority.find(']') : authority.find(':');
    if (bracketed && host_end == std::string_view::npos) {
        reject("no closing bracket", text);
    }
    const std::size_t colon = bracketed ? host_end + 1 : host_end;
    if (colon >= authority.size() || authority[colon] != ':') {
        reject("no port (write host:port/path)", text);
    }
    if (!bracketed && authority.find(':', colon + 1) != std::string_view::npos) {
        reject("more than one ':' (write an IPv6 address as [::1]:8080/path)", text);
    }

    resource parsed;
    parsed.host = authority.substr(bracketed ? 1 : 0, bracketed ? host_end - 1 : host_end);
    if (parsed.host.empty()) {
        reject("no host (write host:port/path)", text);
    }
    if (!std::ranges::all_of(parsed.host, bracketed ? is_ipv6_character : is_name_character)) {
        reject("bad host '" + parsed.host + "'", text);
    }
    parsed.port = parse_port(authority.substr(colon + 1), text);
    if (!std::ranges::all_of(path, is_path_character)) {
        reject("space, control or non-ASCII character in the path (percent-encode it)", text);
    }
    parsed.path = (path.starts_with('/') ? "" : "/") + std::string(path);
    return parsed;
}

}  // namespace legacy_island
