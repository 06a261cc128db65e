#include <tombolo/base/unique_fd.hpp>
#include <tombolo/fibers/net/open_tcp_stream.hpp>
#include <tombolo/fibers/net/serve.hpp>
#include <tombolo/fibers/nursery.hpp>
#include <tombolo/fibers/parking_lot.hpp>
#include <tombolo/fibers/run.hpp>
#include <tombolo/fibers/semaphore.hpp>
#include <tombolo/fibers/to_thread.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <filesystem>
#include <iterator>
#include <mutex>
#include <string>
#include <vector>

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

// A server with 10,000 connections that are open at the same time, all on one thread, and a client with as many on one thread
// of a process of its own, so that neither needs more descriptors than most systems allow. Each connection echoes several
// times, before and after all others are there; when all are closed neither process has a descriptor left.

namespace tb = tombolo;
using endpoints = std::vector<tb::net::endpoint>;

namespace {

constexpr int connections = 10'000;
constexpr int rounds = 5;
constexpr std::size_t message_size = 64;
constexpr rlim_t descriptors_needed = connections + 100;
constexpr int skipped = 77;  // SKIP_RETURN_CODE of test/CMakeLists.txt

bool may_open_enough() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return false;
    if (limit.rlim_cur >= descriptors_needed) return true;
    const rlim_t hard = limit.rlim_max;
    limit.rlim_cur = descriptors_needed;
    limit.rlim_max = std::max(hard, descriptors_needed);
    if (::setrlimit(RLIMIT_NOFILE, &limit) == 0) return true;
    std::printf(
        "skipped: needs %llu descriptors, and the hard limit (ulimit -Hn) is %llu\n",
        static_cast<unsigned long long>(descriptors_needed), static_cast<unsigned long long>(hard));
    return false;
}

long open_descriptors() {
    return static_cast<long>(
        std::distance(std::filesystem::directory_iterator("/proc/self/fd"), std::filesystem::directory_iterator()));
}

/// Lets nobody go on before all are there.
class meeting_point {
public:
    explicit meeting_point(int expected) : missing_(expected) {}
    void arrive_and_wait() {
        if (--missing_ == 0)
            lot_.unpark_all();
        else
            lot_.park();
    }

private:
    int missing_;
    tb::lowlevel::parking_lot lot_;
};

/// Whether every message came back as it was sent.
bool echoes(tb::net::tcp_stream& stream, int number) {
    std::array<char, message_size> sent{};
    std::array<char, message_size> got{};
    for (int round = 0; round < rounds; ++round) {
        std::snprintf(sent.data(), sent.size(), "connection %d, round %d", number, round);
        stream.send_all(sent);
        for (std::size_t have = 0; have < got.size();) {
            const std::size_t count = stream.receive_some(tb::mutable_bytes(got).from(have));
            if (count == 0) return false;
            have += count;
        }
        if (sent != got) return false;
    }
    return true;
}

/// An address of the loopback interface has 28,000 ports to connect from: several have enough, also while those of an earlier
/// run are still ebbing away.
tb::net::tcp_stream connected(int number, std::uint16_t port) {
    const std::string from = "127.0.0." + std::to_string(1 + number % 8);
    return tb::net::open_tcp_stream("127.0.0.1", port, {.sequential = true, .local_address = from});
}

int connect_all(std::uint16_t port) {
    int correct = 0;
    meeting_point all_served(connections);
    tb::semaphore connecting(500);
    tb::open_nursery([&](tb::nursery& clients) {
        for (int i = 0; i < connections; ++i)
            clients.start_soon([&, i] {
                tb::net::tcp_stream stream;
                bool served = false;
                {
                    // Until the server has taken it: a backlog that overflows costs 31 seconds of retransmissions.
                    const std::lock_guard one(connecting);
                    stream = connected(i, port);
                    served = echoes(stream, i);
                }
                all_served.arrive_and_wait();
                correct += served && echoes(stream, i) ? 1 : 0;
            });
    });
    return correct;
}

[[noreturn]] void be_the_client(tb::unique_fd port_from) {
    std::uint16_t port = 0;
    if (::read(port_from.get(), &port, sizeof port) != sizeof port) ::_exit(2);
    const long before = open_descriptors();
    const int correct = tb::run([port] { return connect_all(port); });
    const long after = open_descriptors();
    std::printf(
        "client: %d connections echoed %d times; descriptors before %ld, after %ld\n", correct, rounds, before, after);
    std::fflush(stdout);
    ::_exit(correct == connections && before == after ? 0 : 1);
}

struct outcome_of_all {
    int most_open = 0;
    int client_status = -1;
};

outcome_of_all serve_client(pid_t client, tb::unique_fd port_to) {
    outcome_of_all outcome;
    int open = 0;
    const auto echo = [&](tb::net::tcp_stream& stream) {
        outcome.most_open = std::max(outcome.most_open, ++open);
        std::array<std::byte, message_size> buffer;
        while (const std::size_t count = stream.receive_some(buffer)) stream.send_all({buffer.data(), count});
        --open;
    };
    tb::open_nursery([&](tb::nursery& n) {
        const endpoints at = n.start<endpoints>([&](tb::task_status<endpoints>& status) {
            tb::net::serve_tcp(echo, 0, {.host = "127.0.0.1", .status = &status});
        });
        const std::uint16_t port = at.front().port();
        if (::write(port_to.get(), &port, sizeof port) != sizeof port) return;
        outcome.client_status = tb::to_thread([client] {
            int status = -1;
            ::waitpid(client, &status, 0);
            return status;
        });
        n.cancel_scope().cancel("the client has ended");
    });
    return outcome;
}

}  // namespace

int main() {
    if (!may_open_enough()) return skipped;
    int ends[2];
    if (::pipe(ends) != 0) return 1;
    tb::unique_fd reader(ends[0]);
    tb::unique_fd writer(ends[1]);
    const pid_t client = ::fork();
    if (client < 0) return 1;
    if (client == 0) {
        writer.reset();
        be_the_client(std::move(reader));
    }
    reader.reset();

    const long before = open_descriptors() - 1;  // the pipe will be gone
    const auto start = std::chrono::steady_clock::now();
    const outcome_of_all outcome = tb::run([&] { return serve_client(client, std::move(writer)); });
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    const long after = open_descriptors();
    std::printf(
        "server: %d connections open at the same time, %.2f s; descriptors before %ld, after %ld\n", outcome.most_open,
        took.count(), before, after);
    return outcome.client_status == 0 && outcome.most_open == connections && before == after ? 0 : 1;
}
