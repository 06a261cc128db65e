// Many tasks that each sleep once, for a random time of up to one second: `sleepers/<library>/<tasks>`. The time column is the
// processor time of the whole affair in a fresh process: starting, sleeping, waking, ending. The counter `wall_ms`
// says how long it took.

#include "benchmarks/support/boost_fibers.hpp"
#include "benchmarks/support/sleep_times.hpp"
#include "benchmarks/support/smoke.hpp"
#include "benchmarks/support/stopwatch.hpp"
#include "benchmarks/support/subject.hpp"

#include <tombolo/fibers/nursery.hpp>
#include <tombolo/fibers/run.hpp>
#include <tombolo/fibers/timeouts.hpp>

#include <chrono>
#include <string>
#include <vector>

namespace {

using namespace std::chrono_literals;

std::chrono::nanoseconds longest_sleep() { return bench::smoke() ? 20ms : 1s; }

bench::figures sleepers_tombolo(int tasks) {
    const auto times = bench::sleep_times(tasks, longest_sleep());
    const bench::stopwatch wall;
    const bench::cpu_stopwatch cpu;
    tombolo::run([&] {
        tombolo::open_nursery([&](tombolo::nursery& nursery) {
            for (const auto time : times) {
                nursery.start_soon([time] { tombolo::sleep_for(time); });
            }
        });
    });
    return {{"seconds", cpu.seconds()}, {"wall_ms", wall.seconds() * 1e3}};
}

bench::figures sleepers_boost_fiber(int tasks) {
    const auto times = bench::sleep_times(tasks, longest_sleep());
    const bench::stopwatch wall;
    const bench::cpu_stopwatch cpu;
    {
        bench::boost_fiber_stacks stacks;
        std::vector<boost::fibers::fiber> fibers;
        fibers.reserve(times.size());
        for (const auto time : times) {
            fibers.push_back(bench::post_fiber(stacks, [time] { boost::this_fiber::sleep_for(time); }));
        }
        for (auto& fiber : fibers) {
            fiber.join();
        }
    }
    return {{"seconds", cpu.seconds()}, {"wall_ms", wall.seconds() * 1e3}};
}

}  // namespace

int main(int argc, char** argv) {
    const int tasks = bench::scaled(100'000, 1'000);
    const std::string parameter = "/" + std::to_string(tasks);
    bench::add_in_fresh_process("sleepers/tombolo" + parameter, [tasks] {
        return sleepers_tombolo(tasks);
    })->Unit(benchmark::kMillisecond);
    bench::add_in_fresh_process("sleepers/boost_fiber" + parameter, [tasks] {
        return sleepers_boost_fiber(tasks);
    })->Unit(benchmark::kMillisecond);
    return bench::run_subjects(argc, argv);
}
