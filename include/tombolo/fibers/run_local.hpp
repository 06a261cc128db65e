#pragma once

#include <tombolo/fibers/kernel/variable_map.hpp>
#include <tombolo/fibers/task_local.hpp>

#include <memory>
#include <optional>
#include <utility>

namespace tombolo {

/// A variable with one value for each run: a place for caches and services that all tasks of a run share.
///
/// Checkpoint: never. Throws: not_in_run outside a run. Lifetime: outlives every run in which it is set.
/// Source: trio.lowlevel.RunVar.
template <class T>
class run_local {
public:
    run_local() = default;
    explicit run_local(T default_value) : default_(std::in_place, std::move(default_value)) {}
    run_local(const run_local&) = delete;
    run_local& operator=(const run_local&) = delete;

    /// Throws: unset_variable when there is neither a value nor a default.
    T& get() {
        if (T* held = find()) return *held;
        if (!default_) kernel::throw_unset_variable("run_local");
        set(*default_);
        return *find();
    }

    /// The value, or `fallback` when the variable is unset and has no default.
    T get(T fallback) {
        const T* held = find();
        return held != nullptr ? *held : default_ ? *default_ : std::move(fallback);
    }

    variable_token set(T value) {
        auto held = std::make_shared<T>(std::move(value));
        return {this, kernel::current_run_variables().exchange(this, std::move(held)), kernel::run_variables_owner()};
    }

    /// Brings back the value before the set() that made `token`.
    /// Throws: variable_token_misuse for a used token, or one of another variable or run.
    void reset(variable_token& token) {
        token.use(this, kernel::run_variables_owner());
        kernel::current_run_variables().exchange(this, std::move(token.before_));
    }

private:
    T* find() {
        const auto* held = kernel::current_run_variables().find(this);
        return held != nullptr ? static_cast<T*>(held->get()) : nullptr;
    }

    std::optional<T> default_;
};

}  // namespace tombolo
