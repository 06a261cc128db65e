#pragma once

#include "benchmarks/profile/measurement.hpp"

#include <string>
#include <vector>

namespace profile {

/// One drawing with one histogram per measurement, under each other on the same logarithmic time axis. The share axis is
/// logarithmic too: the tail is what a latency histogram is for, and on a linear axis it cannot be seen.
/// Colours come from the style sheet of the report, by the classes `series-0`, `series-1`...
std::string as_svg(const std::vector<const measurement*>& rows);

}  // namespace profile
