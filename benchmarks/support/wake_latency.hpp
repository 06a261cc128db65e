#pragma once

#include "benchmarks/support/fresh_process.hpp"
#include "benchmarks/support/two_cores.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <latch>
#include <thread>
#include <utility>
#include <vector>

namespace bench {

/// How long it takes from a call on one thread until code runs on another one that had nothing to do. The waker lets
/// the sleeper go idle, notes the time, wakes it, and waits for the answer. One clock read, about 23 ns, is part of
/// every latency.
class wake_latency {
public:
    explicit wake_latency(std::size_t samples) : samples_{samples} { latencies_.reserve(samples); }

    /// For the thread that sleeps, when it is awake: ends one latency.
    void awake() {
        const auto now = std::chrono::steady_clock::now();
        awake_at_ = now;
        answered_.fetch_add(1, std::memory_order_release);
    }

    /// For the waking thread: calls `wake` for each sample. Must not run on the sleeper's core.
    template <typename Wake>
    void measure(const Wake& wake) {
        for (std::size_t sample = 0; sample < samples_; ++sample) {
            let_it_go_idle();
            const auto called_at = std::chrono::steady_clock::now();
            wake();
            while (answered_.load(std::memory_order_acquire) == sample) {
                if (!cores_.apart()) {
                    std::this_thread::yield();
                }
            }
            latencies_.push_back(std::chrono::duration<double, std::nano>{awake_at_ - called_at}.count());
        }
    }

    /// Starts a thread that runs `wake` for each sample and `finally` after the last one. The caller is the sleeper, and
    /// stays on its own core from now on.
    template <typename Wake, typename Finally>
    std::jthread start(Wake wake, Finally finally) {
        cores_ = two_cores::choose();
        std::jthread waker{[this, wake = std::move(wake), finally = std::move(finally)] {
            two_cores::move_to(cores_.other);
            moved_.count_down();
            measure(wake);
            finally();
        }};
        // A caller that spins at once, at a real-time priority, would never let the new thread leave its core.
        moved_.wait();
        return waker;
    }

    figures result() {
        std::sort(latencies_.begin(), latencies_.end());
        const auto at = [this](double quantile) {
            return latencies_[static_cast<std::size_t>(quantile * static_cast<double>(latencies_.size() - 1))];
        };
        return {{"seconds", at(0.5) * 1e-9}, {"p50_ns", at(0.5)}, {"p99_ns", at(0.99)}};
    }

private:
    /// Twice as long as a thread needs to get from its answer to its next sleep in the kernel, with room to spare. It
    /// burns its time: a core that slept itself would add the cost of its own waking.
    static void let_it_go_idle() {
        const auto end = std::chrono::steady_clock::now() + std::chrono::microseconds{100};
        while (std::chrono::steady_clock::now() < end) {}
    }

    std::size_t samples_;
    std::vector<double> latencies_;
    two_cores cores_;
    std::latch moved_{1};
    std::chrono::steady_clock::time_point awake_at_;
    std::atomic<std::size_t> answered_ = 0;
};

}  // namespace bench
