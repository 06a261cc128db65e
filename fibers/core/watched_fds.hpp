#pragma once

#include "fibers/core/task_state.hpp"
#include "fibers/io/poller.hpp"

#include <tombolo/base/intrusive_list.hpp>
#include <tombolo/fibers/kernel/owned_fd.hpp>

#include <cstddef>
#include <vector>

namespace tombolo::kernel {

struct run_state;
struct by_run;

/// The registration of one owned_fd with the poller of one run.
///
/// Invariants:
/// 1. run != null <=> it is linked among the run's watched_fds, and the run's poller knows `fd`.
/// 2. A side's `exhausted` is true only while the poller has reported no edge of that direction since an operation fell
///    short of what it could have moved, and never once the poller has called it irregular.
struct watched_fd : list_hook<by_run> {
    struct side {
        task_state* waiter = nullptr;
        bool exhausted = false;
    };

    side& of(io_direction direction) noexcept { return direction == io_direction::read ? in : out; }

    int fd = -1;
    run_state* run = nullptr;
    side in, out;
    bool irregular = false;
};

/// The descriptors of a run that are registered for good.
///
/// Invariants:
/// 1. readers and writers are the numbers of waiters in all of them.
/// 2. by_number[fd] is the one in `all` that has this descriptor, or null.
struct watched_fds {
    watched_fds() noexcept = default;
    watched_fds(const watched_fds&) = delete;
    watched_fds& operator=(const watched_fds&) = delete;
    /// The descriptors may live longer than the run; they can be used in another one then.
    ~watched_fds();

    bool awaited() const noexcept { return readers + writers != 0; }
    std::size_t& waiters(io_direction direction) noexcept {
        return direction == io_direction::read ? readers : writers;
    }

    /// The registration of a descriptor; null when it has none.
    watched_fd* find(int fd) const noexcept {
        return static_cast<std::size_t>(fd) < by_number.size() ? by_number[static_cast<std::size_t>(fd)] : nullptr;
    }

    intrusive_list<watched_fd, by_run> all;
    std::vector<watched_fd*> by_number;
    std::size_t readers = 0;
    std::size_t writers = 0;
};

/// Parks the current task until the next edge; registers the descriptor if need be.
/// Throws: as owned_fd::wait.
void wait_for(watched_fd& watched, io_direction direction, const char* what);

/// Takes the registration back, before the descriptor is closed or given away; who waits gets closed_resource.
void forget(watched_fd& watched) noexcept;

/// Wakes those whom an event of the poller concerns.
void process_watched(watched_fd& watched, bool readable, bool writable, bool irregular) noexcept;

/// For a poller that has failed: everybody who waits gets the error.
void fail_watched(run_state& run, int error) noexcept;

}  // namespace tombolo::kernel
