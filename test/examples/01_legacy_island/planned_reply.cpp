#include "planned_reply.hpp"

#include <algorithm>
#include <cstdio>
#include <string_view>

namespace legacy_island {

namespace {

std::string body_of(std::size_t bytes) {
    constexpr std::string_view line = "sand ties the island to the mainland\n";
    std::string body;
    body.reserve(bytes + line.size());
    while (body.size() < bytes) body += line;
    body.resize(bytes);
    return body;
}

std::string in_chunks(std::string_view body) {
    constexpr std::size_t longest = 5000;
    std::string framed;
    while (!body.empty()) {
        const std::string_view chunk = body.substr(0, std::min(longest, body.size()));
        body.remove_prefix(chunk.size());
        char size[16];
        std::snprintf(size, sizeof size, "%zx", chunk.size());
        framed.append(size).append("\r\n").append(chunk).append("\r\n");
    }
    return framed + "0\r\n\r\n";
}

}  // namespace

std::string planned_reply::text() const {
    const std::string body = body_of(bytes);
    const std::string head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\n";
    if (chunked) return head + "Transfer-Encoding: chunked\r\n\r\n" + in_chunks(body);
    return head + "Content-Length: " + std::to_string(bytes) + "\r\n\r\n" + body;
}

std::vector<planned_reply> plan_replies(int count, std::chrono::milliseconds mean_delay) {
    // Steps that are coprime to the number of sizes and delays go through all of them in no obvious order.
    std::vector<planned_reply> plan;
    for (int i = 0; i < count; ++i) {
        const auto delay = mean_delay * (40 + 5 * (i * 7 % 25)) / 100;
        const auto bytes = static_cast<std::size_t>(700 + 1913 * (i * 13 % 32));
        plan.push_back({delay, bytes, i % 2 == 1});
    }
    return plan;
}

}  // namespace legacy_island
