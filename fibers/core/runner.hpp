#pragma once

#include "fibers/core/run_state.hpp"

#include <tombolo/fibers/kernel/callable_ref.hpp>

namespace tombolo::kernel {

/// Makes the root task of `run`, which opens the three nested nurseries (run_sync_soon, system, main), starts `main`, and shuts
/// everything down in the reverse order when it has ended. `main` must outlive the run.
void start_root_task(run_state& run, callable_ref main);

/// Turns how the run ended into what run() throws; returns if main succeeded.
void throw_result(run_state& run);

}  // namespace tombolo::kernel
