#pragma once

#include "fibers/context/fiber.hpp"
#include "fibers/core/run_queue.hpp"
#include "fibers/core/task_variables.hpp"

#include <tombolo/fibers/kernel/cancel_status.hpp>
#include <tombolo/fibers/kernel/lock_holder.hpp>
#include <tombolo/fibers/kernel/spawn_request.hpp>
#include <tombolo/fibers/kernel/wait_record.hpp>
#include <tombolo/fibers/nursery.hpp>
#include <tombolo/fibers/task.hpp>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace tombolo::kernel {

struct run_state;
struct detached_record;

/// What is rarely there and would make every record longer.
struct task_extras {
    std::string name;
    std::shared_ptr<detached_record> detached;  ///< while the fiber is outside of its run
};

/// The record behind a task: plain data that the kernel's parts share. The callable that the task runs lies right behind
/// it in memory.
///
/// Invariants:
/// 1. wait != null <=> the task is parked, or about to leave the run queue to be parked.
/// 2. A task that is neither parked nor finished is in the run queue, also while it runs.
/// 3. fiber.memory == null <=> the task has not made its first step.
/// 4. While the task is between its first step and its end it is among its parent nursery's children and among the tasks
///    of cancel_status, or both are being changed by task_status::started().
struct alignas(64) task_state final : lock_holder, run_link, task, list_hook<by_status> {
    task_state(run_state& of, const body_operations& its_operations) noexcept : run(&of), operations(&its_operations) {}

    run_state* run;
    unsigned cancel_points = 0;    ///< those that were no schedule points
    unsigned schedule_points = 0;  ///< those that were no cancel points
    bool interrupt_protected = false;
    bool is_system_task = false;
    tombolo::flavour tag = tombolo::flavour::fiber;
    bool warned_of_unwinding = false;  ///< by diagnose_cancel, once
    unsigned cancels_in_a_row = 0;     ///< `cancelled` that it threw since one has reached its scope

    wait_record* wait = nullptr;
    std::uint64_t wait_generation = 0;
    void* sleep_data = nullptr;

    nursery* parent = nullptr;
    nursery* eventual_parent = nullptr;
    intrusive_list<nursery, by_task> nurseries;

    variables_ref variables;
    const body_operations* operations;
    std::unique_ptr<task_extras> extras;
    std::uint64_t id = 0;
    std::size_t stack_size = 0;

    void* body() noexcept { return this + 1; }
    task_extras& own_extras() {
        if (extras == nullptr) extras = std::make_unique<task_extras>();
        return *extras;
    }
};

/// Breaks the parking lots that a task which exits answers for.
void break_lots_of(task_state& exiting) noexcept;

}  // namespace tombolo::kernel
