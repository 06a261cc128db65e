// A server of one kind for one service: what scripts/bench_net measures.
//
//     net_server KIND SERVICE    prints a port of 127.0.0.1 and serves there until it is killed or its parent ends
//     net_server                 prints the kinds

#include "server_kinds.h"

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <string_view>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/socket.h>

namespace {

struct kind {
    std::string_view name;
    void (*serve)(int listener, service of);
};

constexpr kind kinds[] = {
    {"epoll", serve_with_epoll},
    {"tombolo", serve_with_tombolo},
    {"asio_callbacks", serve_with_asio_callbacks},
    {"asio_awaitables", serve_with_asio_awaitables},
    {"boost_fiber", serve_with_boost_fiber},
#if defined(TOMBOLO_BENCH_LIBUV)
    {"libuv", serve_with_libuv},
#endif
};

int listen_on_loopback() {
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    sockaddr_in local{};
    local.sin_family = AF_INET;
    local.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    auto* generic = reinterpret_cast<sockaddr*>(&local);
    socklen_t size = sizeof local;
    if (fd < 0 || bind(fd, generic, size) < 0 || listen(fd, 4096) < 0 || getsockname(fd, generic, &size) < 0) {
        std::fprintf(stderr, "net_server: no listener: %s\n", std::strerror(errno));
        return -1;
    }
    std::printf("%d\n", ntohs(local.sin_port));
    std::fflush(stdout);
    return fd;
}

int usage() {
    std::fputs("usage: net_server [KIND echo|http_hello]\n", stderr);
    return 2;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc == 1) {
        for (const kind& each : kinds) std::printf("%.*s\n", static_cast<int>(each.name.size()), each.name.data());
        return 0;
    }
    if (argc != 3) return usage();
    const std::string_view name = argv[1], what = argv[2];
    if (what != "echo" && what != "http_hello") return usage();
    for (const kind& each : kinds) {
        if (each.name != name) continue;
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        const int listener = listen_on_loopback();
        if (listener < 0) return 1;
        each.serve(listener, what == "echo" ? service_echo : service_http_hello);
        std::fputs("net_server: it came to an end\n", stderr);
        return 1;
    }
    return usage();
}
