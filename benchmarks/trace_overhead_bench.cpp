// What instruments cost: `trace_overhead/<what is installed>/<operation>/<tasks>`, ns per operation. `checkpoint`: all tasks
// yield in turn. `spawn`: tasks are started and waited for, as in `spawn`. `wake`: two tasks wake each other. What is
// installed: nothing; an instrument that watches spawns only; one whose hooks about steps are empty, which is what every
// tracer pays; run_counters; trace_recorder.

#include "benchmarks/support/ping_pong.hpp"
#include "benchmarks/support/smoke.hpp"
#include "benchmarks/support/subject.hpp"

#include <tombolo/fibers/checkpoint.hpp>
#include <tombolo/fibers/counters.hpp>
#include <tombolo/fibers/nursery.hpp>
#include <tombolo/fibers/run.hpp>
#include <tombolo/fibers/trace.hpp>

#include <cstdint>
#include <stdexcept>
#include <string>
#include <type_traits>

namespace {

struct nothing {};

struct spawn_watcher final : tombolo::instrument {
    void task_spawned(tombolo::task&) override { ++seen; }
    std::int64_t seen = 0;
};

struct empty_steps final : tombolo::instrument {
    void task_scheduled(tombolo::task&) override {}
    void before_task_step(tombolo::task&) override {}
    void after_task_step(tombolo::task&) override {}
};

template <typename Instrument>
void run_under(const auto& main) {
    if constexpr (std::is_same_v<Instrument, nothing>) {
        tombolo::run(main);
    } else {
        Instrument watcher;
        tombolo::run(main, {.instruments = {&watcher}});
    }
}

template <typename Instrument>
void checkpoints(benchmark::State& state, int tasks) {
    bool stop = false;
    std::int64_t taken = 0;
    run_under<Instrument>([&] {
        tombolo::open_nursery([&](tombolo::nursery& nursery) {
            for (int i = 1; i < tasks; ++i) {
                nursery.start_soon([&] {
                    for (; !stop; ++taken) {
                        tombolo::checkpoint();
                    }
                });
            }
            bench::measure_warm(state, tasks, [] { tombolo::checkpoint(); });
            stop = true;
        });
    });
    if (taken < state.iterations() / tasks * (tasks - 1)) {
        throw std::logic_error{"some tasks did not get their turns"};
    }
}

template <typename Instrument>
void spawns(benchmark::State& state, int tasks) {
    std::int64_t count = 0;
    run_under<Instrument>([&] {
        bench::measure_warm(state, tasks, [&] {
            tombolo::open_nursery([&](tombolo::nursery& nursery) {
                for (int i = 0; i < tasks; ++i) {
                    nursery.start_soon([&count] { ++count; });
                }
            });
        });
    });
    benchmark::DoNotOptimize(count);
}

template <typename Instrument>
void wakes(benchmark::State& state) {
    run_under<Instrument>([&] { bench::ping_pong(state); });
}

template <typename Instrument>
void add_all(const std::string& name) {
    const std::string subject = "trace_overhead/" + name;
    for (const int tasks : {1, 2, 1000}) {
        bench::add(subject + "/checkpoint/" + std::to_string(tasks), checkpoints<Instrument>, tasks);
    }
    for (const int tasks : {1, bench::scaled(10'000, 1'000)}) {
        bench::add(subject + "/spawn/" + std::to_string(tasks), spawns<Instrument>, tasks);
    }
    bench::add(subject + "/wake/2", wakes<Instrument>);
}

}  // namespace

int main(int argc, char** argv) {
    add_all<nothing>("nothing");
    add_all<spawn_watcher>("spawn_watcher");
    add_all<empty_steps>("empty_steps");
    add_all<tombolo::run_counters>("run_counters");
    add_all<tombolo::trace_recorder>("trace_recorder");
    return bench::run_subjects(argc, argv);
}
