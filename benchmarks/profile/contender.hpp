#pragma once

#include "benchmarks/profile/probe.hpp"

#include <string>
#include <vector>

namespace profile {

/// One way to hand the thread from one task to the next.
struct contender {
    std::string name;       ///< in tables
    std::string operation;  ///< what is measured, in a sentence's words
    /// Units: hand-overs, as a share of what was asked for. Slow contenders are measured less often.
    double share_of_samples = 1;
    void (*sample)(cycle_probe& probe, int tasks) = nullptr;
    void (*loop)(loop_probe& probe, int tasks) = nullptr;
};

contender tombolo_checkpoint();
contender bare_jump_fcontext();
contender boost_fiber_yield();
contender std_thread_hand_over();

}  // namespace profile
