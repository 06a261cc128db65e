#pragma once

#include <tombolo/fibers/kernel/callable_ref.hpp>
#include <tombolo/fibers/kernel/spawn_request.hpp>
#include <tombolo/fibers/task.hpp>

#include <concepts>
#include <type_traits>
#include <utility>

namespace tombolo {

namespace kernel {
/// The run's nursery for system tasks. Throws: not_in_run; nursery_closed during shutdown.
nursery& system_nursery();
/// Runs the body of a system task: what it throws, a spurious `cancelled` included, becomes a crash of the run.
void run_system_body(callable_ref body);
/// Gives a fresh task the context of the run's start and protects it from keyboard interrupts.
void adopt_as_system_task(task& spawned) noexcept;

template <class F>
struct system_body {
    using named_after = F;
    F callable;
    void operator()() { run_system_body(callable); }
};
}  // namespace kernel

namespace lowlevel {

/// Makes a task beside the main task that is cancelled when the main task has ended. If it throws, everything is cancelled
/// and the run ends with internal_error. It sees the task-local variables of the moment run() was called, and no
/// keyboard interrupts.
/// Checkpoint: never. Throws: not_in_run; nursery_closed once the run shuts down; invalid_stack_size.
/// Source: trio.lowlevel.spawn_system_task.
template <class F>
    requires std::invocable<std::decay_t<F>&>
task& spawn_system_task(F&& f, spawn_options options = {}) {
    if constexpr (!std::is_function_v<std::remove_reference_t<F>>)
        if (kernel::is_empty_callable(f)) kernel::throw_empty_function("spawn_system_task");
    kernel::system_body<std::decay_t<F>> body{std::forward<F>(f)};
    task& spawned = kernel::spawn(kernel::system_nursery(), std::move(body), options);
    kernel::adopt_as_system_task(spawned);
    return spawned;
}

}  // namespace lowlevel
}  // namespace tombolo
