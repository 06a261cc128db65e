#pragma once

#include <tombolo/base/intrusive_list.hpp>
#include <tombolo/fibers/cancel_scope.hpp>
#include <tombolo/fibers/kernel/spawn_request.hpp>
#include <tombolo/fibers/result_box.hpp>
#include <tombolo/fibers/task.hpp>
#include <tombolo/fibers/task_status.hpp>

#include <concepts>
#include <exception>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace tombolo {

struct nursery_options {
    /// Overrides run_options.strict_groups for this nursery.
    std::optional<bool> strict_groups = std::nullopt;
};

namespace kernel {
struct nursery_access;
struct by_task;  // a nursery among the open nurseries of its task
}  // namespace kernel

/// Opens a nursery, calls `body(nursery&)`, waits for every child and every pending start(), and returns the body's value.
///
/// Checkpoint: leaving always lets others run, and is never the place where cancellation surfaces.
/// Cancellation: cancels children and body; an error-free nursery in a cancelled scope is left normally, and the next
/// checkpoint throws.
/// Throws: one exception_group (base_exception_group when a leaf is no std::exception) with all errors in order of
/// arrival, even if there is only one; body_cancelled when the nursery's own scope ended a body that should have returned a
/// value; not_in_task and its kin. Source: trio.open_nursery.
template <class F>
auto open_nursery(F&& body, nursery_options options = {}) -> std::invoke_result_t<F, nursery&>;

/// A place where child tasks live. It opens with open_nursery and does not close before every child has ended, so no task
/// outlives the block that started it, and no error gets lost.
///
/// The first error (of a child or of the body) cancels all the others; all errors leave together as one exception_group.
///
/// Lifetime: made by open_nursery only; a reference is good until open_nursery returns. Not thread-safe.
/// Source: trio.Nursery.
class nursery : public list_hook<kernel::by_task> {
public:
    nursery(const nursery&) = delete;
    nursery& operator=(const nursery&) = delete;

    /// Makes a child task that calls `f()`. The child does not run before the caller's next checkpoint; it starts even if
    /// this nursery is cancelled by then. It inherits the cancel scopes around the nursery, not those around the caller,
    /// and a snapshot of the caller's task-local variables.
    /// Checkpoint: never. Throws: nursery_closed; invalid_stack_size; not_in_run, wrong_thread. Nothing is spawned then.
    /// Source: trio.Nursery.start_soon.
    template <class F>
        requires std::invocable<std::decay_t<F>&>
    void start_soon(F&& f, spawn_options options = {}) {
        kernel::spawn(*this, std::forward<F>(f), options);
    }

    /// Makes a child task that calls `f(task_status<T>&)` and waits until it calls `status.started(value)`; returns the value.
    /// From then on the child lives in this nursery.
    /// Checkpoint: always. Cancellation: cancels the child until it has called started().
    /// Throws: what the child throws before started(), unwrapped; not_started when it returns without; nursery_closed.
    /// Source: trio.Nursery.start.
    template <class T = void, class F>
        requires std::invocable<std::decay_t<F>&, task_status<T>&>
    T start(F&& f, spawn_options options = {});

    /// The scope around all children and the body. Source: trio.Nursery.cancel_scope.
    tombolo::cancel_scope& cancel_scope() noexcept { return scope_; }

    /// A snapshot. Source: trio.Nursery.child_tasks.
    std::vector<task*> child_tasks() const;

    /// The task that opened this nursery. Source: trio.Nursery.parent_task.
    task& parent_task() const noexcept { return *parent_; }

    /// True once nothing can be started here any more.
    bool closed() const noexcept { return closed_; }

private:
    friend struct kernel::nursery_access;
    template <class F>
    friend auto open_nursery(F&& body, nursery_options options) -> std::invoke_result_t<F, nursery&>;

    explicit nursery(const nursery_options& options);
    ~nursery();

    void body_failed() noexcept;
    void close();
    [[noreturn]] void throw_body_cancelled() const;

    // Invariants:
    // 1. closed_ == body finished and children_ empty and pending_starts_ == 0; once true it stays true.
    // 2. parent_waits_ => the parent is parked in close() and gets exactly one reschedule, when 1 becomes true.
    // 3. children_ holds exactly the tasks whose parent_nursery() is this.
    tombolo::cancel_scope scope_;
    task* parent_;
    intrusive_list<task, kernel::by_nursery> children_;
    std::vector<std::exception_ptr> errors_;
    std::size_t pending_starts_ = 0;
    bool strict_ = true;
    bool body_runs_ = true;
    bool closed_ = false;
    bool parent_waits_ = false;
};

template <class F>
auto open_nursery(F&& body, nursery_options options) -> std::invoke_result_t<F, nursery&> {
    nursery opened{options};
    result_box<std::invoke_result_t<F, nursery&>> result;
    try {
        result.capture(std::forward<F>(body), opened);
    } catch (...) {
        opened.body_failed();
    }
    opened.close();
    if constexpr (!std::is_void_v<std::invoke_result_t<F, nursery&>>) {
        if (!result.has_value()) opened.throw_body_cancelled();
    }
    return result.take();
}

namespace kernel {
/// Calls `spawn_child` on a hidden nursery and waits until the child moves to `target` or ends; throws what start() throws.
void start_in(nursery& target, start_record& record, spawn_ref spawn_child);

/// The body of a task made by start().
template <class T, class F>
struct start_body {
    using named_after = F;
    F callable;
    start_value<T>* value;
    void operator()() {
        task_status<T> status{*value};
        std::invoke(callable, status);
    }
};
}  // namespace kernel

template <class T, class F>
    requires std::invocable<std::decay_t<F>&, task_status<T>&>
T nursery::start(F&& f, spawn_options options) {
    if constexpr (!std::is_function_v<std::remove_reference_t<F>>)
        if (kernel::is_empty_callable(f)) kernel::throw_empty_function("nursery::start");
    kernel::start_value<T> value;
    auto spawn_child = [&](nursery& hidden) -> task& {
        return kernel::spawn(hidden, kernel::start_body<T, std::decay_t<F>>{std::forward<F>(f), &value}, options);
    };
    kernel::start_in(*this, value, spawn_child);
    return value.take();
}

}  // namespace tombolo
