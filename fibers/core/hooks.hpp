#pragma once

#include "fibers/core/run_state.hpp"

/// Calls to the instruments of a run. Blocking is refused inside; an instrument that throws is removed.
namespace tombolo::kernel::hooks {

void before_run(run_state& run) noexcept;
void after_run(run_state& run) noexcept;
void task_spawned(run_state& run, task_state& task) noexcept;
void before_task_step(run_state& run, task_state& task) noexcept;
void after_task_step(run_state& run, task_state& task) noexcept;
void task_exited(run_state& run, task_state& task) noexcept;
void before_io_wait(run_state& run, duration timeout) noexcept;
void after_io_wait(run_state& run, duration timeout) noexcept;

void nursery_entered(run_state& run, nursery& opened) noexcept;
void nursery_exited(run_state& run, nursery& closed) noexcept;
void scope_entered(run_state& run, cancel_scope& entered) noexcept;
void scope_exited(run_state& run, cancel_scope& exited) noexcept;
void scope_cancelled(run_state& run, cancel_scope& cancelled_one, const cancel_reason& reason) noexcept;

/// Brings run.attention up to date with the list of instruments.
void refresh(run_state& run) noexcept;

}  // namespace tombolo::kernel::hooks
