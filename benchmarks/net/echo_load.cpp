// The client of every echo server: 64-byte round trips, as many at a time as there are connections.
//
//     echo_load PORT PID CONNECTIONS WARM_MS MEASURED_MS
//
// Prints how many round trips were measured, how many ns they took, and how many ns of processor time the process PID,
// the server, took for them.

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <vector>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace {

constexpr std::size_t message_size = 64;
using message = std::array<char, message_size>;

struct connection {
    int fd = -1;
    std::size_t received = 0;
    message reply{};
};

int checked(int result, const char* what) {
    if (result >= 0) return result;
    std::fprintf(stderr, "echo_load: %s: %s\n", what, std::strerror(errno));
    std::exit(1);
}

long long now(clockid_t clock) {
    timespec time{};
    checked(clock_gettime(clock, &time), "clock_gettime");
    return time.tv_sec * 1'000'000'000LL + time.tv_nsec;
}

class load {
public:
    load(int port, int connections) : epoll_(checked(epoll_create1(EPOLL_CLOEXEC), "epoll_create1")) {
        for (std::size_t i = 0; i < question_.size(); ++i) question_[i] = static_cast<char>('!' + i);
        peers_.resize(static_cast<std::size_t>(connections));
        for (connection& peer : peers_) open(peer, port);
        for (connection& peer : peers_) ask(peer);
    }

    /// Returns how many round trips ended before `end`.
    long long go_on_until(long long end) {
        long long count = 0;
        std::array<epoll_event, 256> events;
        while (now(CLOCK_MONOTONIC) < end) {
            const int ready =
                checked(epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), 1000), "epoll_wait");
            for (int i = 0; i < ready; ++i)
                count += hear(*static_cast<connection*>(events[static_cast<std::size_t>(i)].data.ptr));
        }
        return count;
    }

private:
    void open(connection& peer, int port) {
        peer.fd = checked(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket");
        sockaddr_in to{};
        to.sin_family = AF_INET;
        to.sin_port = htons(static_cast<std::uint16_t>(port));
        to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        checked(connect(peer.fd, reinterpret_cast<sockaddr*>(&to), sizeof to), "connect");
        const int on = 1;
        checked(setsockopt(peer.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on), "setsockopt");
        epoll_event event{};
        event.events = EPOLLIN | EPOLLET;
        event.data.ptr = &peer;
        checked(epoll_ctl(epoll_, EPOLL_CTL_ADD, peer.fd, &event), "epoll_ctl");
    }

    void ask(const connection& peer) const {
        const ssize_t sent = send(peer.fd, question_.data(), question_.size(), MSG_NOSIGNAL);
        checked(sent == static_cast<ssize_t>(question_.size()) ? 0 : -1, "send");
    }

    int hear(connection& peer) const {
        const ssize_t count =
            recv(peer.fd, peer.reply.data() + peer.received, peer.reply.size() - peer.received, MSG_DONTWAIT);
        if (count < 0 && (errno == EAGAIN || errno == EINTR)) return 0;
        checked(count > 0 ? 0 : -1, "recv");
        peer.received += static_cast<std::size_t>(count);
        if (peer.received < peer.reply.size()) return 0;
        if (peer.reply != question_) {
            std::fputs("echo_load: the reply is not what was sent\n", stderr);
            std::exit(1);
        }
        peer.received = 0;
        ask(peer);
        return 1;
    }

    int epoll_;
    message question_{};
    std::vector<connection> peers_;
};

}  // namespace

int main(int argc, char** argv) {
    if (argc != 6) {
        std::fputs("usage: echo_load PORT PID CONNECTIONS WARM_MS MEASURED_MS\n", stderr);
        return 2;
    }
    clockid_t server_time{};
    if (clock_getcpuclockid(std::atoi(argv[2]), &server_time) != 0) {
        std::fprintf(stderr, "echo_load: there is no process %s\n", argv[2]);
        return 1;
    }
    load clients(std::atoi(argv[1]), std::atoi(argv[3]));
    clients.go_on_until(now(CLOCK_MONOTONIC) + std::atoll(argv[4]) * 1'000'000);

    const long long server_before = now(server_time), before = now(CLOCK_MONOTONIC);
    const long long count = clients.go_on_until(before + std::atoll(argv[5]) * 1'000'000);
    const long long server_after = now(server_time), after = now(CLOCK_MONOTONIC);
    std::printf("%lld %lld %lld\n", count, after - before, server_after - server_before);
}
