// Skynet: a tree of tasks, each with ten children, one million leaves; every leaf returns its number, every other task
// the sum of its children. `skynet/<library>/<leaves>/warm`: over and over inside one run. `.../cold`: once, the
// first thing that a fresh process does. `boost_fiber` queues its children as our nursery does, and then holds a million
// stacks at once, ten gigabytes: it is left out where they are missing, and from the cold runs, which would be nothing but
// page faults for ten seconds. `boost_fiber_dispatch` enters each child at once.

#include "benchmarks/support/boost_fibers.hpp"
#include "benchmarks/support/floor.hpp"
#include "benchmarks/support/memory_use.hpp"
#include "benchmarks/support/smoke.hpp"
#include "benchmarks/support/stopwatch.hpp"
#include "benchmarks/support/subject.hpp"

#include <tombolo/fibers/nursery.hpp>
#include <tombolo/fibers/run.hpp>

#include <boost/fiber/fiber.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <numeric>
#include <string>

namespace {

constexpr int children = 10;
constexpr std::size_t memory_of_boost_fiber = std::size_t{14} << 30;

/// The sum that a correct tree must return: skipping work is not a speed-up.
void expect_sum(std::int64_t sum, std::int64_t leaves) {
    if (sum != leaves * (leaves - 1) / 2) {
        std::fprintf(
            stderr, "skynet of %lld leaves returned the wrong sum %lld\n", static_cast<long long>(leaves),
            static_cast<long long>(sum));
        std::abort();
    }
}

std::int64_t tombolo_tree(std::int64_t first, std::int64_t leaves) {
    if (leaves == 1) {
        return first;
    }
    std::array<std::int64_t, children> sums{};
    const std::int64_t part = leaves / children;
    tombolo::open_nursery([&](tombolo::nursery& nursery) {
        for (std::int64_t& sum : sums) {
            nursery.start_soon([&sum, first, part] { sum = tombolo_tree(first, part); });
            first += part;
        }
    });
    return std::accumulate(sums.begin(), sums.end(), std::int64_t{0});
}

void warm_tombolo(benchmark::State& state, std::int64_t leaves) {
    tombolo::run([&] { bench::measure_warm(state, 1, [&] { expect_sum(tombolo_tree(0, leaves), leaves); }); });
}

bench::figures cold_tombolo(std::int64_t leaves) {
    const bench::stopwatch watch;
    tombolo::run([&] { expect_sum(tombolo_tree(0, leaves), leaves); });
    return {{"seconds", watch.seconds()}};
}

std::int64_t boost_fiber_tree(
    boost::fibers::launch launch, bench::boost_fiber_stacks& stacks, std::int64_t first, std::int64_t leaves) {
    if (leaves == 1) {
        return first;
    }
    std::array<std::int64_t, children> sums{};
    std::array<boost::fibers::fiber, children> fibers;
    const std::int64_t part = leaves / children;
    auto fiber = fibers.begin();
    for (std::int64_t& sum : sums) {
        *fiber++ = boost::fibers::fiber{
            launch, std::allocator_arg, bench::peer_stacks::allocator{stacks},
            [launch, &stacks, &sum, first, part] { sum = boost_fiber_tree(launch, stacks, first, part); }};
        first += part;
    }
    for (auto& child : fibers) {
        child.join();
    }
    return std::accumulate(sums.begin(), sums.end(), std::int64_t{0});
}

void warm_boost_fiber(benchmark::State& state, boost::fibers::launch launch, std::int64_t leaves) {
    bench::boost_fiber_stacks stacks;
    bench::measure_warm(state, 1, [&] { expect_sum(boost_fiber_tree(launch, stacks, 0, leaves), leaves); });
}

bench::figures cold_boost_fiber(boost::fibers::launch launch, std::int64_t leaves) {
    const bench::stopwatch watch;
    bench::boost_fiber_stacks stacks;
    expect_sum(boost_fiber_tree(launch, stacks, 0, leaves), leaves);
    return {{"seconds", watch.seconds()}};
}

std::int64_t floor_tree(bench::floor& floor, std::int64_t first, std::int64_t leaves) {
    if (leaves == 1) {
        return first;
    }
    std::array<std::int64_t, children> sums{};
    const std::int64_t part = leaves / children;
    for (std::int64_t& sum : sums) {
        floor.spawn([&floor, &sum, first, part] { sum = floor_tree(floor, first, part); });
        first += part;
    }
    floor.join();
    return std::accumulate(sums.begin(), sums.end(), std::int64_t{0});
}

void warm_floor(benchmark::State& state, std::int64_t leaves) {
    bench::floor floor;
    bench::measure_warm(state, 1, [&] { expect_sum(floor_tree(floor, 0, leaves), leaves); });
}

bench::figures cold_floor(std::int64_t leaves) {
    const bench::stopwatch watch;
    bench::floor floor;
    expect_sum(floor_tree(floor, 0, leaves), leaves);
    return {{"seconds", watch.seconds()}};
}

}  // namespace

int main(int argc, char** argv) {
    using boost::fibers::launch;
    const std::int64_t leaves = bench::scaled(1'000'000, 1'000);
    const std::string parameter = "/" + std::to_string(leaves);
    bench::add("skynet/tombolo" + parameter + "/warm", warm_tombolo, leaves)->Unit(benchmark::kMillisecond);
    bench::add_in_fresh_process("skynet/tombolo" + parameter + "/cold", [leaves] {
        return cold_tombolo(leaves);
    })->Unit(benchmark::kMillisecond);
    bench::add("skynet/floor" + parameter + "/warm", warm_floor, leaves)->Unit(benchmark::kMillisecond);
    bench::add_in_fresh_process("skynet/floor" + parameter + "/cold", [leaves] {
        return cold_floor(leaves);
    })->Unit(benchmark::kMillisecond);
    if (bench::smoke() || bench::memory_use::available_bytes() > memory_of_boost_fiber) {
        bench::add("skynet/boost_fiber" + parameter + "/warm", warm_boost_fiber, launch::post, leaves)
            ->Unit(benchmark::kMillisecond);
    }
    bench::add("skynet/boost_fiber_dispatch" + parameter + "/warm", warm_boost_fiber, launch::dispatch, leaves)
        ->Unit(benchmark::kMillisecond);
    bench::add_in_fresh_process("skynet/boost_fiber_dispatch" + parameter + "/cold", [leaves] {
        return cold_boost_fiber(launch::dispatch, leaves);
    })->Unit(benchmark::kMillisecond);
    return bench::run_subjects(argc, argv);
}
