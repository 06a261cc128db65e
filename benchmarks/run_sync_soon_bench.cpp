// Reaching a run from another thread. `run_sync_soon/<library>/posts/<n>`: ns per callback, from the first call on the
// other thread until the last of <n> callbacks has run. `.../wake`: the median latency from the call until the callback
// runs in a thread that slept (`eventfd`: in a read, `eventfd_epoll`: in epoll_wait, as any thread that has other
// descriptors to watch); `.../wake_spinning`: in one that was told to look for work before it sleeps. The two
// threads keep to two different cores where there are two.

#include "benchmarks/support/boost_event.hpp"
#include "benchmarks/support/boost_fibers.hpp"
#include "benchmarks/support/smoke.hpp"
#include "benchmarks/support/subject.hpp"
#include "benchmarks/support/two_cores.hpp"
#include "benchmarks/support/wake_latency.hpp"
#include "benchmarks/support/wake_slot.hpp"

#include <tombolo/base/unique_fd.hpp>
#include <tombolo/fibers/run.hpp>
#include <tombolo/fibers/run_token.hpp>

#include <boost/fiber/buffered_channel.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <thread>
#include <utility>

#include <sys/epoll.h>
#include <sys/eventfd.h>

namespace {

std::size_t latency_samples() { return static_cast<std::size_t>(bench::scaled(5'000, 50)); }

/// The other thread of the `posts` benchmarks: runs `post_all` once per round, on its own core.
class posting_thread {
public:
    template <typename PostAll>
    explicit posting_thread(PostAll post_all)
        : cores_{bench::two_cores::choose()}, thread_{[this, post_all](std::stop_token stop) {
              bench::two_cores::move_to(cores_.other);
              std::uint64_t rounds = 0;
              while (!stop.stop_requested()) {
                  if (asked_.load(std::memory_order_acquire) == rounds) {
                      if (!cores_.apart()) {
                          std::this_thread::yield();
                      }
                      continue;
                  }
                  ++rounds;
                  post_all();
              }
          }} {}

    void start_round() { asked_.fetch_add(1, std::memory_order_release); }

private:
    bench::two_cores cores_;
    std::atomic<std::uint64_t> asked_ = 0;
    std::jthread thread_;
};

void posts_tombolo(benchmark::State& state, int posts) {
    tombolo::run([&] {
        bench::wake_slot all_done;
        std::int64_t done = 0;
        posting_thread other{[&, token = tombolo::lowlevel::current_run_token()] {
            for (int i = 0; i < posts; ++i) {
                token.run_sync_soon([&] {
                    if (++done == posts) {
                        all_done.set();
                    }
                });
            }
        }};
        bench::measure_warm(state, posts, [&] {
            done = 0;
            other.start_round();
            all_done.wait();
        });
    });
}

bench::figures wake_tombolo(tombolo::duration spin) {
    bench::wake_latency latency{latency_samples()};
    tombolo::run(
        [&] {
            bench::wake_slot all_done;
            const auto token = tombolo::lowlevel::current_run_token();
            const auto thread = latency.start(
                [&] { token.run_sync_soon([&] { latency.awake(); }); },
                [&] { token.run_sync_soon([&] { all_done.set(); }); });
            all_done.wait();
        },
        {.spin_before_sleep = spin});
    return latency.result();
}

struct callback {
    void (*function)(void*) = nullptr;
    void* data = nullptr;
};

void posts_boost_fiber(benchmark::State& state, int posts) {
    boost::fibers::buffered_channel<callback> channel{4096};
    std::int64_t done = 0;
    const auto add_one = [](void* counter) { ++*static_cast<std::int64_t*>(counter); };
    posting_thread other{[&] {
        for (int i = 0; i < posts; ++i) {
            channel.push({add_one, &done});
        }
    }};
    bench::measure_warm(state, posts, [&] {
        done = 0;
        other.start_round();
        while (done != posts) {
            const callback next = channel.value_pop();
            next.function(next.data);
        }
    });
}

bench::figures wake_boost_fiber() {
    bench::wake_latency latency{latency_samples()};
    bench::boost_event event;
    std::atomic<bool> stop = false;
    const auto thread = latency.start(
        [&] { event.set(); },
        [&] {
            stop = true;
            event.set();
        });
    for (;;) {
        event.wait();
        if (stop) {
            return latency.result();
        }
        latency.awake();
    }
}

/// A thread that blocks in `wait`, which consumes one write to the descriptor.
template <typename Wait>
bench::figures wake_by_eventfd(const Wait& wait) {
    bench::wake_latency latency{latency_samples()};
    const tombolo::unique_fd fd{::eventfd(0, EFD_CLOEXEC)};
    std::atomic<bool> stop = false;
    const auto post = [&fd] { ::eventfd_write(fd.get(), 1); };
    const auto thread = latency.start(post, [&] {
        stop = true;
        post();
    });
    for (;;) {
        wait(fd.get());
        if (stop) {
            return latency.result();
        }
        latency.awake();
    }
}

bench::figures wake_eventfd() {
    return wake_by_eventfd([](int fd) {
        eventfd_t count = 0;
        ::eventfd_read(fd, &count);
    });
}

bench::figures wake_eventfd_epoll() {
    const tombolo::unique_fd poller{::epoll_create1(EPOLL_CLOEXEC)};
    bool watched = false;
    return wake_by_eventfd([&](int fd) {
        epoll_event event{.events = EPOLLIN, .data = {.fd = fd}};
        if (!std::exchange(watched, true)) {
            ::epoll_ctl(poller.get(), EPOLL_CTL_ADD, fd, &event);
        }
        ::epoll_wait(poller.get(), &event, 1, -1);
        eventfd_t count = 0;
        ::eventfd_read(fd, &count);
    });
}

bench::figures wake_spinning_atomic() {
    bench::wake_latency latency{latency_samples()};
    std::atomic<bool> posted = false;
    std::atomic<bool> stop = false;
    const auto post = [&] { posted.store(true, std::memory_order_release); };
    const auto thread = latency.start(post, [&] {
        stop = true;
        post();
    });
    for (;;) {
        while (!posted.load(std::memory_order_acquire)) {}
        posted.store(false, std::memory_order_relaxed);
        if (stop) {
            return latency.result();
        }
        latency.awake();
    }
}

}  // namespace

int main(int argc, char** argv) {
    const int posts = bench::scaled(100'000, 1'000);
    bench::add("run_sync_soon/tombolo/posts/" + std::to_string(posts), posts_tombolo, posts)->UseRealTime();
    bench::add_in_fresh_process("run_sync_soon/tombolo/wake", [] { return wake_tombolo(tombolo::duration::zero()); });
    bench::add_in_fresh_process(
        "run_sync_soon/tombolo/wake_spinning", [] { return wake_tombolo(std::chrono::milliseconds{1}); });
    bench::add("run_sync_soon/boost_fiber/posts/" + std::to_string(posts), posts_boost_fiber, posts)->UseRealTime();
    bench::add_in_fresh_process("run_sync_soon/boost_fiber/wake", wake_boost_fiber);
    bench::add_in_fresh_process("run_sync_soon/eventfd/wake", wake_eventfd);
    bench::add_in_fresh_process("run_sync_soon/eventfd_epoll/wake", wake_eventfd_epoll);
    bench::add_in_fresh_process("run_sync_soon/atomic/wake_spinning", wake_spinning_atomic);
    return bench::run_subjects(argc, argv);
}
