#pragma once

#include <cstddef>

namespace tombolo::testing {

/// How many to_thread calls of this run are in progress: have their token, and have neither returned nor been abandoned.
/// Checkpoint: never. Throws: not_in_run. Source: trio.testing.active_thread_count.
std::size_t active_thread_count();

/// Waits until no to_thread call of this run is in progress.
/// Checkpoint: always. Cancellation: ends the wait. Throws: cancelled; not_in_task and its kin.
/// Source: trio.testing.wait_all_threads_completed.
void wait_all_threads_completed();

}  // namespace tombolo::testing
