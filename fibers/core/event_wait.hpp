#pragma once

#include "fibers/core/run_state.hpp"

namespace tombolo::kernel {

/// Waits for descriptors, other threads and signals, at most `timeout` of real time, and wakes the tasks concerned. With a
/// timeout of zero and nobody waiting for a descriptor there is no system call. Returns whether anything happened.
bool wait_for_events(run_state& run, duration timeout) noexcept;

/// For a run whose driver waits in its stead: makes the poller's descriptor tell of everything that wait_for_events would
/// have noticed. False when there is something to attend to already. Requires: watch_for_posts().
bool begin_remote_wait(run_state& run) noexcept;
/// Takes what that wait brought. Returns whether there was anything.
bool end_remote_wait(run_state& run) noexcept;
/// Makes the poller watch for other threads. Throws: std::system_error when no descriptor is left for it.
void watch_for_posts(run_state& run);

/// Cancels scopes and wakes sleepers whose time has come. Returns whether there was one.
bool expire_deadlines(run_state& run) noexcept;

}  // namespace tombolo::kernel
