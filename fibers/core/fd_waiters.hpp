#pragma once

#include "fibers/core/task_state.hpp"
#include "fibers/io/poller.hpp"

#include <cstddef>
#include <unordered_map>
#include <utility>

namespace tombolo::kernel {

/// Who waits for which descriptor. Knows tasks and the poller, not how tasks are woken: what is due is handed to `wake`.
///
/// Invariants:
/// 1. An entry has at least one waiter; the poller is armed for the union of its waiters, or arming it failed and the
///    waiters were handed out.
/// 2. waiting_ is the number of waiters in all entries.
class fd_waiters {
public:
    struct entry {
        task_state* reader = nullptr;
        task_state* writer = nullptr;
    };

    bool empty() const noexcept { return entries_.empty(); }
    std::size_t readers() const noexcept { return readers_; }
    std::size_t writers() const noexcept { return writers_; }

    task_state* waiter(int fd, bool write) const noexcept;

    /// Registers `waiter`, arms the poller. Returns 0, or the errno value of a failed arming: then `waiter` is not registered,
    /// and a waiter for the other direction is taken out into `other` and must be woken with the same error.
    [[nodiscard]] int add(poller& poller, int fd, bool write, task_state& waiter, task_state*& other);

    /// An aborted wait: takes the waiter out again and re-arms for the other direction. Returns the waiter of that direction,
    /// taken out too and to be woken with `error`, if that failed; otherwise null.
    task_state* remove(poller& poller, int fd, bool write, int& error) noexcept;

    /// Takes out everybody who waits for `fd` and makes the poller forget it.
    entry take_all(poller& poller, int fd) noexcept;

    /// Takes out those whom `event` concerns and re-arms for the rest; on failure takes out the rest too, with `error` set.
    struct due {
        entry ready;
        entry failed;
        int error = 0;
    };
    due take_due(poller& poller, const poll_event& event) noexcept;

    /// Takes out every waiter and hands it to `wake(fd, task)`. For a poller that has failed.
    template <class Wake>
    void take_everybody(Wake&& wake) {
        for (auto& [fd, waiters] : std::exchange(entries_, {})) {
            if (waiters.reader != nullptr) wake(fd, *waiters.reader);
            if (waiters.writer != nullptr) wake(fd, *waiters.writer);
        }
        readers_ = writers_ = 0;
    }

private:
    void count(const entry& added, const entry& removed) noexcept;

    std::unordered_map<int, entry> entries_;
    std::size_t readers_ = 0;
    std::size_t writers_ = 0;
};

}  // namespace tombolo::kernel
