// What it costs to be a guest: the same program under run() and under two minimal foreign loops,
// `guest_overhead/<driver>/<program>`. `tombolo` is run() itself.
//   checkpoints_2, checkpoints_100   tasks that are never done, ns per checkpoint
//   socketpair                       two tasks that play ping-pong over a socketpair, ns per round (two waits for I/O)
//   thread                           the same with a thread on the other side: nothing to do in between, ns per round
//   sleepers                         tasks that sleep again and again, processor time per sleep
// A posting host pays two wake-ups of a thread for each wait in `thread`, where run() and a watching host pay one: its own and
// that of the thread that waits in its stead.

#include "benchmarks/support/foreign_loops.hpp"
#include "benchmarks/support/sleep_times.hpp"
#include "benchmarks/support/smoke.hpp"
#include "benchmarks/support/stopwatch.hpp"
#include "benchmarks/support/subject.hpp"

#include <tombolo/base/outcome.hpp>
#include <tombolo/base/unique_fd.hpp>
#include <tombolo/fibers/checkpoint.hpp>
#include <tombolo/fibers/guest_run.hpp>
#include <tombolo/fibers/nursery.hpp>
#include <tombolo/fibers/run.hpp>
#include <tombolo/fibers/timeouts.hpp>
#include <tombolo/fibers/wait_fd.hpp>

#include <chrono>
#include <stdexcept>
#include <string>
#include <thread>

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace {

using namespace std::chrono_literals;

struct plain_run {
    template <typename Program>
    static void drive(Program program) {
        tombolo::run(program);
    }
};

template <typename Loop>
struct hosted_by {
    template <typename Program>
    static void drive(Program program) {
        Loop loop;
        bool stop = false;
        tombolo::lowlevel::start_guest_run(program, loop, [&stop](tombolo::outcome<void> how) {
            stop = true;
            how.value();
        });
        loop.turn_until(stop);
    }
};

void checkpoints(benchmark::State& state, int tasks) {
    bool stop = false;
    tombolo::open_nursery([&](tombolo::nursery& nursery) {
        for (int i = 1; i < tasks; ++i) {
            nursery.start_soon([&stop] {
                while (!stop) {
                    tombolo::checkpoint();
                }
            });
        }
        bench::measure_warm(state, tasks, [] { tombolo::checkpoint(); });
        stop = true;
    });
}

struct socket_pair {
    socket_pair() {
        int ends[2];
        if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0) {
            throw std::runtime_error{"no socketpair"};
        }
        near.reset(ends[0]);
        far.reset(ends[1]);
    }
    tombolo::unique_fd near;
    tombolo::unique_fd far;
};

void send_byte(const tombolo::unique_fd& to) {
    const char byte = 'x';
    if (::send(to.get(), &byte, 1, MSG_NOSIGNAL) != 1) {
        throw std::runtime_error{"send failed"};
    }
}

/// False at the end of the stream.
bool receive_byte(const tombolo::unique_fd& from) {
    char byte = 0;
    return ::recv(from.get(), &byte, 1, 0) == 1;
}

void play(benchmark::State& state, const tombolo::unique_fd& side) {
    bench::measure_warm(state, 1, [&side] {
        send_byte(side);
        tombolo::lowlevel::wait_readable(side.get());
        receive_byte(side);
    });
    ::shutdown(side.get(), SHUT_WR);
}

void socketpair_ping_pong(benchmark::State& state) {
    const socket_pair sockets;
    tombolo::open_nursery([&](tombolo::nursery& nursery) {
        nursery.start_soon([&sockets] {
            for (;;) {
                tombolo::lowlevel::wait_readable(sockets.far.get());
                if (!receive_byte(sockets.far)) {
                    return;
                }
                send_byte(sockets.far);
            }
        });
        play(state, sockets.near);
    });
}

void thread_ping_pong(benchmark::State& state) {
    const socket_pair sockets;
    const std::jthread partner{[&sockets] {
        for (;;) {
            pollfd entry{sockets.far.get(), POLLIN, 0};
            ::poll(&entry, 1, -1);
            if (!receive_byte(sockets.far)) {
                return;
            }
            send_byte(sockets.far);
        }
    }};
    play(state, sockets.near);
}

void sleepers(benchmark::State& state) {
    const int tasks = bench::scaled(200, 20);
    constexpr int rounds = 10;
    const auto times = bench::sleep_times(tasks * rounds, 2ms);
    for ([[maybe_unused]] auto _ : state) {
        const bench::cpu_stopwatch cpu;
        tombolo::open_nursery([&](tombolo::nursery& nursery) {
            for (int task = 0; task < tasks; ++task) {
                nursery.start_soon([&times, task] {
                    for (int i = 0; i < rounds; ++i) {
                        tombolo::sleep_for(times[static_cast<std::size_t>(task * rounds + i)]);
                    }
                });
            }
        });
        state.SetIterationTime(cpu.seconds() / (tasks * rounds));
    }
}

template <typename Driver>
void add_programs(const std::string& driver) {
    const std::string prefix = "guest_overhead/" + driver + "/";
    const auto driven = [](auto program) {
        return [program](benchmark::State& state) { Driver::drive([&state, program] { program(state); }); };
    };
    for (const int tasks : {2, 100}) {
        bench::add(prefix + "checkpoints_" + std::to_string(tasks), driven([tasks](benchmark::State& state) {
                       checkpoints(state, tasks);
                   }));
    }
    bench::add(prefix + "socketpair", driven(socketpair_ping_pong));
    bench::add(prefix + "thread", driven(thread_ping_pong));
    bench::add_self_timed(prefix + "sleepers", driven(sleepers))->Iterations(bench::scaled(10, 1));
}

}  // namespace

int main(int argc, char** argv) {
    add_programs<plain_run>("tombolo");
    add_programs<hosted_by<bench::watching_loop>>("watching_host");
    add_programs<hosted_by<bench::posting_loop>>("posting_host");
    return bench::run_subjects(argc, argv);
}
