#include "benchmarks/profile/contender.hpp"
#include "benchmarks/support/boost_fibers.hpp"

#include <vector>

namespace profile {
namespace {

template <typename Probe>
void run(Probe& probe, int tasks) {
    bench::boost_fiber_stacks stacks;
    const auto body = [&probe] { hand_over_until_full(probe, [] { boost::this_fiber::yield(); }); };
    std::vector<boost::fibers::fiber> others;
    for (int i = 1; i < tasks; ++i) {
        others.push_back(bench::post_fiber(stacks, body));
    }
    body();
    for (auto& fiber : others) {
        fiber.join();
    }
}

}  // namespace

contender boost_fiber_yield() {
    return {
        .name = "Boost.Fiber yield",
        .operation = "boost::this_fiber::yield with the round-robin scheduler and pooled stacks",
        .sample = run<cycle_probe>,
        .loop = run<loop_probe>};
}

}  // namespace profile
