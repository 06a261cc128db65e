#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

namespace tombolo::kernel {

/// The values of variables, found by the variable's address: few and small, so a linear search wins. Public only because
/// the variable templates use it.
class variable_map {
public:
    using value = std::shared_ptr<void>;

    const value* find(const void* variable) const noexcept {
        for (const auto& [key, held] : entries_)
            if (key == variable) return &held;
        return nullptr;
    }

    /// Returns what was there before, null when the variable had no value. A null `replacement` unsets.
    value exchange(const void* variable, value replacement) {
        for (auto& [key, held] : entries_) {
            if (key == variable) {
                value before = std::exchange(held, std::move(replacement));
                if (held == nullptr) {
                    std::swap(entries_.back(), *find_entry(variable));
                    entries_.pop_back();
                }
                return before;
            }
        }
        if (replacement != nullptr) entries_.emplace_back(variable, std::move(replacement));
        return nullptr;
    }

private:
    using entry = std::pair<const void*, value>;
    entry* find_entry(const void* variable) noexcept {
        for (auto& candidate : entries_)
            if (candidate.first == variable) return &candidate;
        return nullptr;
    }

    std::vector<entry> entries_;
};

/// The variables of the current task (of the thread, outside tasks): shared between tasks until one of them sets a value.
const variable_map* current_task_variables() noexcept;
variable_map& own_task_variables();

/// The variables of the current run. Throws: not_in_run.
variable_map& current_run_variables();

/// Whose values a set() changed: the serial numbers of a run (0: none) and of a task in it. Never reused.
struct variable_owner {
    std::uint64_t run = 0;
    std::uint64_t task = 0;
    bool operator==(const variable_owner&) const = default;
};
variable_owner task_variables_owner() noexcept;
variable_owner run_variables_owner();

[[noreturn]] void throw_unset_variable(const char* kind);
/// Throws: variable_token_misuse unless the token is unused and everything matches.
void require_usable_token(bool used, bool same_variable, bool same_owner);

}  // namespace tombolo::kernel
