#include "resolve.hpp"

#include <cstring>
#include <map>
#include <memory>
#include <utility>

#include <netdb.h>

namespace legacy_island {

namespace {

struct lookup {
    std::vector<address> addresses;
    std::string unresolved;
};

int ask(const std::string& host, const std::string& port, int flags, std::vector<address>& addresses) {
    addrinfo hints{};
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = flags | AI_NUMERICSERV;
    addrinfo* found = nullptr;
    const int error = getaddrinfo(host.c_str(), port.c_str(), &hints, &found);
    if (error != 0) {
        return error;
    }
    const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owner(found, &freeaddrinfo);
    for (const addrinfo* entry = found; entry != nullptr; entry = entry->ai_next) {
        address one;
        std::memcpy(&one.storage, entry->ai_addr, entry->ai_addrlen);
        one.size = entry->ai_addrlen;
        addresses.push_back(one);
    }
    return 0;
}

lookup look_up(const std::string& host, std::uint16_t port) {
    lookup answer;
    const std::string service = std::to_string(port);
    if (ask(host, service, AI_NUMERICHOST, answer.addresses) == 0) {
        return answer;
    }
    const int error = ask(host, service, 0, answer.addresses);
    if (error != 0) {
        answer.unresolved = gai_strerror(error);
    }
    return answer;
}

}  // namespace

void resolve(std::vector<resource>& resources) {
    std::map<std::pair<std::string, std::uint16_t>, lookup> known;
    for (resource& wanted : resources) {
        const auto [entry, is_new] = known.try_emplace({wanted.host, wanted.port});
        if (is_new) {
            entry->second = look_up(wanted.host, wanted.port);
        }
        wanted.addresses = entry->second.addresses;
        wanted.unresolved = entry->second.unresolved;
    }
}

}  // namespace legacy_island
