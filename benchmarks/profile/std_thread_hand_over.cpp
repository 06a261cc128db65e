#include "benchmarks/profile/contender.hpp"

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

namespace profile {
namespace {

/// A thread's turn: given by the thread before it in the ring.
class turn {
public:
    void give() {
        {
            const std::lock_guard lock{mutex_};
            given_ = true;
        }
        changed_.notify_one();
    }

    void take() {
        std::unique_lock lock{mutex_};
        changed_.wait(lock, [this] { return given_; });
        given_ = false;
    }

private:
    std::mutex mutex_;
    std::condition_variable changed_;
    bool given_ = false;
};

/// The probe needs no lock: only the thread whose turn it is touches it, and turns are passed through mutexes.
template <typename Probe>
void run(Probe& probe, int tasks) {
    std::deque<turn> turns(static_cast<std::size_t>(tasks));
    const auto next_of = [&turns](std::size_t self) -> turn& { return turns[(self + 1) % turns.size()]; };
    const auto body = [&](std::size_t self) {
        hand_over_until_full(probe, [&] {
            next_of(self).give();
            turns[self].take();
        });
    };
    std::vector<std::jthread> others;
    for (std::size_t self = 1; self < turns.size(); ++self) {
        others.emplace_back([&, self] {
            turns[self].take();
            body(self);
            next_of(self).give();
        });
    }
    body(0);
    next_of(0).give();
}

}  // namespace

contender std_thread_hand_over() {
    return {
        .name = "std::thread hand-over",
        .operation = "one thread wakes the next through a mutex and a condition variable, and waits for its turn",
        .share_of_samples = 0.05,
        .sample = run<cycle_probe>,
        .loop = run<loop_probe>};
}

}  // namespace profile
