#pragma once

#include "benchmarks/support/boost_fibers.hpp"
#include "benchmarks/support/subject.hpp"

#include <boost/fiber/fiber.hpp>

#include <vector>

namespace bench {

/// `tasks` fibers of Boost.Fiber call `take_turns` and are joined, again and again.
template <typename Function>
void measure_fibers(benchmark::State& state, int tasks, int turns, Function take_turns) {
    boost_fiber_stacks stacks;
    std::vector<boost::fibers::fiber> fibers;
    measure_warm(state, turns * tasks, [&] {
        for (int i = 0; i < tasks; ++i) {
            fibers.push_back(post_fiber(stacks, take_turns));
        }
        for (auto& each : fibers) {
            each.join();
        }
        fibers.clear();
    });
}

}  // namespace bench
