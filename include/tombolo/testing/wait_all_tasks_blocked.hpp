#pragma once

#include <tombolo/base/time.hpp>

namespace tombolo::testing {

/// Waits until every other task of the run has been blocked, without any I/O event, for `cushion` of real time. When
/// several tasks wait here, those with the shortest cushion wake first, equal ones together; waking resets the others.
/// Checkpoint: always. Cancellation: ends the wait. Throws: cancelled; invalid_duration when negative; not_in_task.
/// Source: trio.testing.wait_all_tasks_blocked.
void wait_all_tasks_blocked(duration cushion = duration::zero());

}  // namespace tombolo::testing
