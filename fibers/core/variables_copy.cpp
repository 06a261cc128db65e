#include <tombolo/fibers/variables_copy.hpp>

#include "fibers/core/task_variables.hpp"

#include <tombolo/base/scope_exit.hpp>

#include <utility>

namespace tombolo {

void kernel::with_variables(variable_map values, callable_ref body) {
    variables_ref fresh;
    fresh.own() = std::move(values);
    // The body may let other tasks run: what is restored is this task's, wherever it is by then.
    variables_ref& here = current_variables();
    std::swap(here, fresh);
    const scope_exit restore([&] { std::swap(here, fresh); });
    body();
}

lowlevel::variables_copy lowlevel::copy_variables() {
    const kernel::variable_map* seen = kernel::current_task_variables();
    return seen != nullptr ? variables_copy(*seen) : variables_copy();
}

}  // namespace tombolo
