#include "fibers/core/run_context.hpp"
#include "fibers/core/run_state.hpp"
#include "fibers/core/task_variables.hpp"

#include <tombolo/fibers/errors.hpp>
#include <tombolo/fibers/kernel/variable_map.hpp>

#include <string>

namespace tombolo::kernel {

variables_ref& this_thread_variables() noexcept {
    thread_local variables_ref variables;
    return variables;
}

variables_ref& current_variables() noexcept {
    if (task_state* task = current_task()) return task->variables;
    // Instruments and host code see what system tasks see.
    return this_thread.run != nullptr ? this_thread.run->system_variables : this_thread_variables();
}

variable_owner task_variables_owner() noexcept {
    if (const task_state* task = current_task()) return {task->run->serial, task->id + 1};
    // Outside of runs the values are the thread's: its address in memory is as good a number as any.
    return this_thread.run != nullptr ? variable_owner{this_thread.run->serial, 0}
                                      : variable_owner{0, reinterpret_cast<std::uintptr_t>(&this_thread)};
}

variable_owner run_variables_owner() { return {require_run("run_local").serial, 0}; }

const variable_map* current_task_variables() noexcept { return current_variables().get(); }

variable_map& own_task_variables() { return current_variables().own(); }

variable_map& current_run_variables() { return require_run("run_local").run_variables; }

void throw_unset_variable(const char* kind) {
    throw unset_variable(
        std::string(kind) +
        ": the variable has no value here and no default; set() it first, give it a default "
        "where it is defined, or read it with get(fallback)");
}

void require_usable_token(bool used, bool same_variable, bool same_owner) {
    if (!same_variable)
        throw variable_token_misuse(
            "reset: this token was made by another variable's set(); reset that variable with it");
    if (!same_owner)
        throw variable_token_misuse(
            "reset: this token was made in another task (or run), whose value is not the one seen here; "
            "reset it where it was made");
    if (used) throw variable_token_misuse("reset: this token was used before; each set() can be undone once");
}

}  // namespace tombolo::kernel
