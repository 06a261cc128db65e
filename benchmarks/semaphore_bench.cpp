// What a semaphore costs. `semaphore_try_acquire/<library>`: try_acquire and release of a free unit;
// `semaphore_acquire/<library>`: acquire and release of one, by the only task; `semaphore_hand_over/<library>/<n>`: n tasks
// share half as many units, and each acquires one, lets the others run, and releases it: ns per acquired unit. Boost.Fiber
// has no semaphore: its peer is built of its mutex and condition variable. `std_semaphore` is the one of threads.

#include <tombolo/fibers/semaphore.hpp>

#include "benchmarks/support/boost_fiber_turns.hpp"
#include "benchmarks/support/boost_semaphore.hpp"
#include "benchmarks/support/subject.hpp"

#include <tombolo/fibers/capacity_limiter.hpp>
#include <tombolo/fibers/checkpoint.hpp>
#include <tombolo/fibers/nursery.hpp>
#include <tombolo/fibers/run.hpp>

#include <boost/fiber/operations.hpp>

#include <semaphore>
#include <vector>

namespace {

template <typename Semaphore>
void try_acquire_and_release(benchmark::State& state, Semaphore& semaphore) {
    for ([[maybe_unused]] auto _ : state) {
        benchmark::DoNotOptimize(semaphore.try_acquire());
        benchmark::ClobberMemory();
        semaphore.release();
    }
}

template <typename Semaphore>
void acquire_and_release(benchmark::State& state, Semaphore& semaphore) {
    for ([[maybe_unused]] auto _ : state) {
        semaphore.acquire();
        benchmark::ClobberMemory();
        semaphore.release();
    }
}

template <typename Semaphore>
void try_acquire_in_run(benchmark::State& state) {
    tombolo::run([&] {
        Semaphore semaphore{1};
        try_acquire_and_release(state, semaphore);
    });
}

template <typename Semaphore>
void try_acquire_anywhere(benchmark::State& state) {
    Semaphore semaphore{1};
    try_acquire_and_release(state, semaphore);
}

template <typename Semaphore>
void acquire_in_run(benchmark::State& state) {
    tombolo::run([&] {
        Semaphore semaphore{1};
        acquire_and_release(state, semaphore);
    });
}

template <typename Semaphore>
void acquire_anywhere(benchmark::State& state) {
    Semaphore semaphore{1};
    acquire_and_release(state, semaphore);
}

constexpr int turns_per_round = 100;

void hand_over_tombolo(benchmark::State& state, int tasks) {
    tombolo::run([&] {
        tombolo::semaphore semaphore{tasks / 2};
        const auto take_turns = [&] {
            for (int i = 0; i < turns_per_round; ++i) {
                semaphore.acquire();
                tombolo::checkpoint();
                semaphore.release();
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
    bench::boost_semaphore semaphore{tasks / 2};
    const auto take_turns = [&] {
        for (int i = 0; i < turns_per_round; ++i) {
            semaphore.acquire();
            boost::this_fiber::yield();
            semaphore.release();
        }
    };
    bench::measure_fibers(state, tasks, turns_per_round, take_turns);
}

}  // namespace

int main(int argc, char** argv) {
    bench::add("semaphore_try_acquire/tombolo", try_acquire_in_run<tombolo::semaphore>);
    bench::add("semaphore_try_acquire/tombolo_limiter", try_acquire_in_run<tombolo::capacity_limiter>);
    bench::add("semaphore_try_acquire/boost_fiber", try_acquire_anywhere<bench::boost_semaphore>);
    bench::add("semaphore_try_acquire/std_semaphore", try_acquire_anywhere<std::counting_semaphore<>>);
    bench::add("semaphore_acquire/tombolo", acquire_in_run<tombolo::semaphore>);
    bench::add("semaphore_acquire/boost_fiber", acquire_anywhere<bench::boost_semaphore>);
    bench::add("semaphore_acquire/std_semaphore", acquire_anywhere<std::counting_semaphore<>>);
    for (const int tasks : {2, 10}) {
        const std::string tail = "/" + std::to_string(tasks);
        bench::add("semaphore_hand_over/tombolo" + tail, hand_over_tombolo, tasks);
        bench::add("semaphore_hand_over/boost_fiber" + tail, hand_over_boost_fiber, tasks);
    }
    return bench::run_subjects(argc, argv);
}
