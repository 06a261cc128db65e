// What a lock costs. `mutex_try_lock/<library>`: try_lock and unlock of a free one; `mutex_lock/<library>`: lock and unlock
// of a free one, by the only task; `mutex_hand_over/<library>/<n>`: n tasks, each of which locks, lets the others run, and
// unlocks: ns per time that somebody got it. `std_mutex` is the lock of threads, and has no hand-over that compares.

#include <tombolo/fibers/mutex.hpp>

#include "benchmarks/support/boost_fiber_turns.hpp"
#include "benchmarks/support/subject.hpp"

#include <tombolo/fibers/checkpoint.hpp>
#include <tombolo/fibers/nursery.hpp>
#include <tombolo/fibers/run.hpp>

#include <boost/fiber/mutex.hpp>
#include <boost/fiber/operations.hpp>

#include <mutex>
#include <vector>

namespace {

template <typename Lock>
void try_lock_and_unlock(benchmark::State& state, Lock& lock) {
    for ([[maybe_unused]] auto _ : state) {
        benchmark::DoNotOptimize(lock.try_lock());
        lock.unlock();
    }
}

template <typename Lock>
void lock_and_unlock(benchmark::State& state, Lock& lock) {
    for ([[maybe_unused]] auto _ : state) {
        lock.lock();
        benchmark::ClobberMemory();
        lock.unlock();
    }
}

void try_lock_tombolo(benchmark::State& state) {
    tombolo::run([&] {
        tombolo::mutex lock;
        try_lock_and_unlock(state, lock);
    });
}

void try_lock_boost_fiber(benchmark::State& state) {
    boost::fibers::mutex lock;
    try_lock_and_unlock(state, lock);
}

void try_lock_std(benchmark::State& state) {
    std::mutex lock;
    try_lock_and_unlock(state, lock);
}

void lock_tombolo(benchmark::State& state) {
    tombolo::run([&] {
        tombolo::mutex lock;
        lock_and_unlock(state, lock);
    });
}

void checkpoint_tombolo(benchmark::State& state) {
    tombolo::run([&] {
        for ([[maybe_unused]] auto _ : state) {
            tombolo::checkpoint();
        }
    });
}

void lock_boost_fiber(benchmark::State& state) {
    boost::fibers::mutex lock;
    lock_and_unlock(state, lock);
}

void lock_std(benchmark::State& state) {
    std::mutex lock;
    lock_and_unlock(state, lock);
}

constexpr int turns_per_round = 100;

void hand_over_tombolo(benchmark::State& state, int tasks) {
    tombolo::run([&] {
        tombolo::mutex lock;
        const auto take_turns = [&] {
            for (int i = 0; i < turns_per_round; ++i) {
                const std::lock_guard guard(lock);
                tombolo::checkpoint();
            }
        };
        bench::measure_warm(state, turns_per_round * tasks, [&] {
            tombolo::open_nursery([&](tombolo::nursery& nursery) {
                for (int i = 0; i < tasks; ++i) {
                    nursery.start_soon(take_turns);
                }
            });
        });
    });
}

void hand_over_boost_fiber(benchmark::State& state, int tasks) {
    boost::fibers::mutex lock;
    const auto take_turns = [&] {
        for (int i = 0; i < turns_per_round; ++i) {
            const std::lock_guard guard(lock);
            boost::this_fiber::yield();
        }
    };
    bench::measure_fibers(state, tasks, turns_per_round, take_turns);
}

}  // namespace

int main(int argc, char** argv) {
    bench::add("mutex_try_lock/tombolo", try_lock_tombolo);
    bench::add("mutex_try_lock/boost_fiber", try_lock_boost_fiber);
    bench::add("mutex_try_lock/std_mutex", try_lock_std);
    bench::add("mutex_lock/tombolo", lock_tombolo);
    bench::add("mutex_lock/tombolo_checkpoint", checkpoint_tombolo);
    bench::add("mutex_lock/boost_fiber", lock_boost_fiber);
    bench::add("mutex_lock/std_mutex", lock_std);
    for (const int tasks : {2, 10}) {
        const std::string tail = "/" + std::to_string(tasks);
        bench::add("mutex_hand_over/tombolo" + tail, hand_over_tombolo, tasks);
        bench::add("mutex_hand_over/boost_fiber" + tail, hand_over_boost_fiber, tasks);
    }
    return bench::run_subjects(argc, argv);
}
