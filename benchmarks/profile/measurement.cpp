#include "benchmarks/profile/measurement.hpp"

#include <algorithm>
#include <memory>

namespace profile {

measurement measure(const contender& who, int tasks, std::size_t samples, const calibration& counter) {
    const auto wanted =
        std::max<std::size_t>(1, static_cast<std::size_t>(static_cast<double>(samples) * who.share_of_samples));
    // Every task has had some turns before anything counts: its stack is touched, its caches are warm.
    const std::size_t warm_up = std::max<std::size_t>(wanted / 20, static_cast<std::size_t>(tasks) * 4);
    const auto probe = std::make_unique<cycle_probe>(warm_up, wanted);
    who.sample(*probe, tasks);
    loop_probe loop{warm_up, wanted};
    who.loop(loop, tasks);
    return {who.name, who.operation, tasks, distribution{*probe, counter}, loop.ns_per_hand_over()};
}

}  // namespace profile
