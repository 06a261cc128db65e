#pragma once

#include "pass.hpp"
#include "resource.hpp"

#include <iosfwd>
#include <vector>

namespace legacy_island {

/// Prints a row for each resource, then what the two passes come to.
void print_report(std::ostream& out, const std::vector<resource>& resources, const pass& serial, const pass& island);

}  // namespace legacy_island
