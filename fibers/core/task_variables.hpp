#pragma once

#include <tombolo/fibers/kernel/variable_map.hpp>

#include <utility>

namespace tombolo::kernel {

/// A task's variables, shared with whoever it inherited them from until one side writes. The count is not atomic: all
/// sharers live on one thread.
class variables_ref {
public:
    variables_ref() noexcept = default;
    variables_ref(const variables_ref& other) noexcept : shared_(other.shared_) {
        if (shared_ != nullptr) ++shared_->users;
    }
    variables_ref(variables_ref&& other) noexcept : shared_(std::exchange(other.shared_, nullptr)) {}
    variables_ref& operator=(variables_ref other) noexcept {
        std::swap(shared_, other.shared_);
        return *this;
    }
    ~variables_ref() {
        if (shared_ != nullptr && --shared_->users == 0) delete shared_;
    }

    const variable_map* get() const noexcept { return shared_ != nullptr ? &shared_->map : nullptr; }

    /// A map that nobody else sees.
    variable_map& own() {
        if (shared_ == nullptr)
            shared_ = new shared_map;
        else if (shared_->users > 1) {
            auto* copy = new shared_map{shared_->map, 1};
            --shared_->users;
            shared_ = copy;
        }
        return shared_->map;
    }

private:
    struct shared_map {
        variable_map map;
        std::size_t users = 1;
    };
    shared_map* shared_ = nullptr;
};

/// The variables that the current code sees: its task's, the run's system variables, or the thread's.
variables_ref& current_variables() noexcept;

/// The variables of code that runs on this thread outside of tasks.
variables_ref& this_thread_variables() noexcept;

}  // namespace tombolo::kernel
