#pragma once

#include "benchmarks/profile/contender.hpp"
#include "benchmarks/profile/distribution.hpp"

#include <cstddef>
#include <string>

namespace profile {

/// What was found out about one contender with one number of tasks.
struct measurement {
    std::string name;
    std::string operation;
    int tasks;
    distribution single;  ///< hand-overs measured one by one
    double loop_ns;       ///< the average in a loop that measures nothing in between
};

/// Runs the contender twice: with the cycle counter around every hand-over, and without.
measurement measure(const contender& who, int tasks, std::size_t samples, const calibration& counter);

}  // namespace profile
