#pragma once

#include <tombolo/fibers/kernel/variable_map.hpp>

#include <concepts>
#include <memory>
#include <optional>
#include <utility>

namespace tombolo {

/// Undoes one set() of a task_local or run_local. Single use, and only for the variable that made it.
class variable_token {
public:
    /// The token moved from counts as used.
    variable_token(variable_token&& other) noexcept
        : variable_(other.variable_),
          before_(std::move(other.before_)),
          owner_(other.owner_),
          used_(std::exchange(other.used_, true)) {}
    variable_token& operator=(variable_token&& other) noexcept {
        variable_ = other.variable_;
        before_ = std::move(other.before_);
        owner_ = other.owner_;
        used_ = std::exchange(other.used_, true);
        return *this;
    }

private:
    template <class>
    friend class task_local;
    template <class>
    friend class run_local;
    variable_token(const void* variable, kernel::variable_map::value before, kernel::variable_owner owner) noexcept
        : variable_(variable), before_(std::move(before)), owner_(owner) {}

    void use(const void* variable, kernel::variable_owner owner) {
        kernel::require_usable_token(used_, variable_ == variable, owner_ == owner);
        used_ = true;
    }

    const void* variable_;
    kernel::variable_map::value before_;
    kernel::variable_owner owner_;
    bool used_ = false;
};

/// A variable whose value belongs to the task: a child starts with a snapshot of its spawner's values, and what it sets is
/// seen by itself and its own later children only. Outside tasks it belongs to the thread; run() starts from the thread's
/// values and does not write back.
///
/// Use it for what follows the work about: request ids, trace spans. Use run_local for what the run has one of.
/// Checkpoint: never. Lifetime: outlives every run in which it is set; define it at namespace scope.
/// Source: contextvars.ContextVar.
template <class T>
class task_local {
public:
    task_local() = default;
    explicit task_local(T default_value) : default_(std::in_place, std::move(default_value)) {}
    task_local(const task_local&) = delete;
    task_local& operator=(const task_local&) = delete;

    /// Throws: unset_variable when there is neither a value nor a default.
    const T& get() const {
        if (const T* held = find()) return *held;
        if (!default_) kernel::throw_unset_variable("task_local");
        return *default_;
    }

    /// The value, or `fallback` when the variable is unset and has no default.
    T get(T fallback) const {
        const T* held = find();
        return held != nullptr ? *held : default_ ? *default_ : std::move(fallback);
    }

    variable_token set(T value) {
        auto held = std::make_shared<T>(std::move(value));
        return {this, kernel::own_task_variables().exchange(this, std::move(held)), kernel::task_variables_owner()};
    }

    /// Brings back the value before the set() that made `token`.
    /// Throws: variable_token_misuse for a used token, or one of another variable or task.
    void reset(variable_token& token) {
        token.use(this, kernel::task_variables_owner());
        kernel::own_task_variables().exchange(this, std::move(token.before_));
    }

private:
    const T* find() const noexcept {
        const kernel::variable_map* variables = kernel::current_task_variables();
        const auto* held = variables != nullptr ? variables->find(this) : nullptr;
        return held != nullptr ? static_cast<const T*>(held->get()) : nullptr;
    }

    std::optional<T> default_;
};

}  // namespace tombolo
