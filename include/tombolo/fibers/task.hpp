#pragma once

#include <tombolo/base/intrusive_list.hpp>
#include <tombolo/fibers/flavour.hpp>

#include <cstddef>
#include <cstdint>
#include <iosfwd>
#include <string>
#include <string_view>
#include <typeinfo>
#include <vector>

namespace tombolo {

class nursery;

namespace kernel {
struct task_state;
struct by_nursery;  // a task among its nursery's children
}  // namespace kernel

namespace lowlevel {

/// What a task's name is made of.
struct task_label {
    std::string_view given;      ///< empty: the type names the task. Lifetime: the task's
    const std::type_info* type;  ///< of the function

    /// The name. Takes about a microsecond for a type.
    std::string to_string() const;
};

}  // namespace lowlevel

/// One strand of execution in a run: a function on a stack of its own, started by a nursery and awaited by it.
///
/// Users meet tasks when they write primitives (park and reschedule) and when they look at what a run is doing.
/// Lifetime: a reference is good until the task has exited; nobody outside the runtime creates or destroys tasks.
/// Source: trio.lowlevel.Task.
class task : public list_hook<kernel::by_nursery> {
public:
    task(const task&) = delete;
    task& operator=(const task&) = delete;

    /// The name given at spawn, else the function's type.
    std::string name() const;

    /// The same, not yet put in words: cheap enough to ask at every step.
    lowlevel::task_label label() const noexcept;

    /// Unique within the run, in order of creation.
    std::uint64_t id() const noexcept;

    /// The nursery that waits for this task; null for the root task.
    nursery* parent_nursery() const noexcept;

    /// Between nursery.start() and started(): the nursery that this task will move to. Otherwise null.
    nursery* eventual_parent_nursery() const noexcept;

    /// The nurseries that this task has open now, outermost first.
    std::vector<nursery*> child_nurseries() const;

    tombolo::flavour flavour() const noexcept;

    /// Where the task is parked, as park() was told: "sleep_for", "nursery exit"...; null when it is not parked.
    const char* waiting_in() const noexcept;

    /// A slot for the code that parks this task and the code that reschedules it. Null again after every reschedule.
    void*& custom_sleep_data() noexcept;

    /// Units: bytes of stack touched since the task's first step. Zero unless run_options.measure_stacks is set.
    std::size_t stack_used() const noexcept;

    /// Units: bytes.
    std::size_t stack_size() const noexcept;

    /// Return addresses of a parked task's frames, innermost first; empty for a task that has not started or is running.
    /// Best effort: it needs unwind tables and the inline switch backend.
    std::vector<void*> backtrace() const;

private:
    friend struct kernel::task_state;
    task() noexcept = default;
    ~task() = default;
    kernel::task_state& state() noexcept;
    const kernel::task_state& state() const noexcept;
};

namespace lowlevel {

/// Checkpoint: never. Throws: not_in_task, not_in_run. Source: trio.lowlevel.current_task.
task& current_task();

/// The task that every other one descends from.
/// Checkpoint: never. Throws: not_in_run. Source: trio.lowlevel.current_root_task.
task& current_root_task();

}  // namespace lowlevel
}  // namespace tombolo
