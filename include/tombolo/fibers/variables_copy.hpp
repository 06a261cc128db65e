#pragma once

#include <tombolo/fibers/kernel/callable_ref.hpp>
#include <tombolo/fibers/kernel/variable_map.hpp>
#include <tombolo/fibers/result_box.hpp>

#include <type_traits>
#include <utility>

namespace tombolo {

namespace kernel {
void with_variables(variable_map values, callable_ref body);
}  // namespace kernel

namespace lowlevel {

/// The task-local variables as they were at one place and moment, to take along: into another thread, into a callback.
///
/// Callable from: any thread. The values themselves are shared with the task that had them, and constant.
/// Source: contextvars.copy_context.
class variables_copy {
public:
    /// No variable has a value.
    variables_copy() noexcept = default;

    /// Calls `body` where code sees this copy instead of the current task's (outside tasks: the thread's) variables. What
    /// `body` sets is gone afterwards. Returns what `body` returns.
    /// Checkpoint: never by itself; the body decides. Throws: what the body throws.
    template <class F>
    auto call(F&& body) const -> std::invoke_result_t<F> {
        result_box<std::invoke_result_t<F>> result;
        auto capture = [&] { result.capture(std::forward<F>(body)); };
        kernel::with_variables(values_, capture);
        return result.take();
    }

private:
    friend variables_copy copy_variables();
    explicit variables_copy(kernel::variable_map values) noexcept : values_(std::move(values)) {}

    kernel::variable_map values_;
};

/// The variables that are seen here.
/// Checkpoint: never. Callable from: any thread.
variables_copy copy_variables();

}  // namespace lowlevel
}  // namespace tombolo
