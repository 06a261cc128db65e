#pragma once

#include "benchmarks/support/peer_stacks.hpp"

#include <boost/fiber/fiber.hpp>
#include <boost/fiber/operations.hpp>

#include <memory>
#include <utility>

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

}  // namespace bench
