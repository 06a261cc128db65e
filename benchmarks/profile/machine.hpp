#pragma once

#include <string>
#include <utility>
#include <vector>

namespace profile {

/// What a reader needs to know about where figures come from: label and value, in reading order.
using description = std::vector<std::pair<std::string, std::string>>;

/// The processor, the kernel, the compiler, the date.
description describe_machine();

/// Keeps this process, threads included, to the last core that it may use, and returns its number. Hand-overs between
/// cores would measure the kernel's way of waking a core.
int keep_to_one_core();

}  // namespace profile
