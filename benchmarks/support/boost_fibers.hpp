#pragma once

#include "benchmarks/support/peer_stacks.hpp"
#include "benchmarks/support/subject.hpp"

#include <boost/fiber/fiber.hpp>
#include <boost/fiber/operations.hpp>

#include <memory>
#include <utility>
#include <vector>

namespace bench {

/// The stacks of the fibers of one benchmark. Boost.Fiber gives a stack back some time after the fiber on it was joined,
/// when its dispatcher runs next: the destructor waits for that.
class boost_fiber_stacks : public peer_stacks {
public:
    ~boost_fiber_stacks() {
        while (!all_returned()) {
            boost::this_fiber::yield();
        }
    }
};

/// A fiber of Boost.Fiber on a pooled stack, started like a task of ours: it first runs when its spawner waits.
template <typename Function>
boost::fibers::fiber post_fiber(boost_fiber_stacks& stacks, Function function) {
    return boost::fibers::fiber{
        boost::fibers::launch::post, std::allocator_arg, peer_stacks::allocator{stacks}, std::move(function)};
}

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
