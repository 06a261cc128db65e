#pragma once

#include "fibers/core/run_state.hpp"

namespace tombolo::kernel {

/// Starts the system task that calls what other threads post. Requires: run.entry_nursery is open.
void spawn_entry_task(run_state& run);

}  // namespace tombolo::kernel
