#pragma once

#include "fibers/core/run_state.hpp"

#include <exception>
#include <string_view>

namespace tombolo::kernel {

/// Makes the record of a task without a nursery: the root of a run. Throws: std::bad_alloc.
task_state& spawn_root(
    run_state& run, const body_operations& operations, void* (*place_body)(void* body, void* context), void* context);

/// Ends a task: tells breakers, instruments and its nursery, and frees the record (in stepwise mode: leaves it to the step
/// in progress). The body is gone already.
void retire(task_state& task, std::exception_ptr error) noexcept;

/// Frees a retired task's record.
void free_record(task_state& task) noexcept;

}  // namespace tombolo::kernel
