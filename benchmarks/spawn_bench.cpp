// What it costs to start a task and to wait for its end: `spawn/<library>/<tasks>`, ns per task. 1: one task at a time, in
// a nursery of its own. More: all are started, then all are waited for. Every task adds one to a counter.

#include "benchmarks/support/boost_fibers.hpp"
#include "benchmarks/support/floor.hpp"
#include "benchmarks/support/smoke.hpp"
#include "benchmarks/support/subject.hpp"

#include <tombolo/fibers/nursery.hpp>
#include <tombolo/fibers/run.hpp>

#include <boost/context/detail/fcontext.hpp>

#include <cstdint>
#include <string>
#include <thread>
#include <vector>

namespace {

void spawn_tombolo(benchmark::State& state, int tasks) {
    std::int64_t count = 0;
    tombolo::run([&] {
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

void spawn_boost_fiber(benchmark::State& state, int tasks) {
    bench::boost_fiber_stacks stacks;
    std::int64_t count = 0;
    std::vector<boost::fibers::fiber> fibers;
    fibers.reserve(static_cast<std::size_t>(tasks));
    const auto round = [&] {
        for (int i = 0; i < tasks; ++i) {
            fibers.push_back(bench::post_fiber(stacks, [&count] { ++count; }));
        }
        for (auto& fiber : fibers) {
            fiber.join();
        }
        fibers.clear();
    };
    bench::measure_warm(state, tasks, round);
    benchmark::DoNotOptimize(count);
}

void count_and_leave(boost::context::detail::transfer_t from) {
    ++*static_cast<std::int64_t*>(from.data);
    boost::context::detail::jump_fcontext(from.fctx, nullptr);
}

void spawn_fcontext(benchmark::State& state, int tasks) {
    bench::peer_stacks stacks{bench::peer_stacks::tops::coloured};
    bench::peer_stacks::allocator pool{stacks};
    std::int64_t count = 0;
    struct context {
        boost::context::stack_context stack;
        boost::context::detail::fcontext_t entry;
    };
    std::vector<context> contexts;
    contexts.reserve(static_cast<std::size_t>(tasks));
    const auto round = [&] {
        for (int i = 0; i < tasks; ++i) {
            const auto stack = pool.allocate();
            contexts.push_back({stack, boost::context::detail::make_fcontext(stack.sp, stack.size, &count_and_leave)});
        }
        for (auto& started : contexts) {
            boost::context::detail::jump_fcontext(started.entry, &count);
        }
        while (!contexts.empty()) {
            pool.deallocate(contexts.back().stack);
            contexts.pop_back();
        }
    };
    bench::measure_warm(state, tasks, round);
    benchmark::DoNotOptimize(count);
}

void spawn_floor(benchmark::State& state, int tasks) {
    bench::floor floor;
    std::int64_t count = 0;
    bench::measure_warm(state, tasks, [&] {
        for (int i = 0; i < tasks; ++i) {
            floor.spawn([&count] { ++count; });
        }
        floor.join();
    });
    benchmark::DoNotOptimize(count);
}

void spawn_std_thread(benchmark::State& state) {
    std::int64_t count = 0;
    for ([[maybe_unused]] auto _ : state) {
        std::thread{[&count] { ++count; }}.join();
    }
    benchmark::DoNotOptimize(count);
}

}  // namespace

int main(int argc, char** argv) {
    for (const int tasks : {1, bench::scaled(10'000, 1'000)}) {
        const std::string parameter = "/" + std::to_string(tasks);
        bench::add("spawn/tombolo" + parameter, spawn_tombolo, tasks);
        bench::add("spawn/floor" + parameter, spawn_floor, tasks);
        bench::add("spawn/fcontext" + parameter, spawn_fcontext, tasks);
        bench::add("spawn/boost_fiber" + parameter, spawn_boost_fiber, tasks);
    }
    bench::add("spawn/std_thread/1", spawn_std_thread);
    return bench::run_subjects(argc, argv);
}
