#pragma once

#include "resource.hpp"

#include <vector>

namespace legacy_island {

/// Fills in the addresses of every resource, up front and synchronously, so that both passes measure fetching and
/// nothing else. Numeric hosts never ask anybody; every other name is asked for once, with the blocking `getaddrinfo`.
/// A name that cannot be resolved is not an error here: the resource says so in `unresolved` and fails when fetched.
void resolve(std::vector<resource>& resources);

}  // namespace legacy_island
