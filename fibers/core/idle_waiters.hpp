#pragma once

#include "fibers/core/task_state.hpp"

#include <tombolo/base/time.hpp>

#include <cstdint>
#include <map>
#include <utility>

namespace tombolo::kernel {

/// The tasks in wait_all_tasks_blocked, shortest cushion first, then in order of arrival.
class idle_waiters {
public:
    using key = std::pair<duration, std::uint64_t>;

    bool empty() const noexcept { return waiters_.empty(); }
    duration shortest_cushion() const noexcept { return waiters_.begin()->first.first; }

    key add(duration cushion, task_state& waiter) {
        const key added{cushion, ++arrivals_};
        waiters_.emplace(added, &waiter);
        return added;
    }
    void remove(const key& removed) noexcept { waiters_.erase(removed); }

    /// Takes the first waiter if its cushion is `cushion`.
    task_state* take_first(duration cushion) noexcept {
        if (waiters_.empty() || shortest_cushion() != cushion) return nullptr;
        task_state* first = waiters_.begin()->second;
        waiters_.erase(waiters_.begin());
        return first;
    }

private:
    std::map<key, task_state*> waiters_;
    std::uint64_t arrivals_ = 0;
};

}  // namespace tombolo::kernel
