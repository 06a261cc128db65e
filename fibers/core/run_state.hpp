#pragma once

#include "fibers/core/deadlines.hpp"
#include "fibers/core/entry_queue.hpp"
#include "fibers/core/fd_waiters.hpp"
#include "fibers/core/forks.hpp"
#include "fibers/core/idle_waiters.hpp"
#include "fibers/core/instruments.hpp"
#include "fibers/core/pass_budget.hpp"
#include "fibers/core/run_queue.hpp"
#include "fibers/core/task_records.hpp"
#include "fibers/core/watched_fds.hpp"

#include <tombolo/fibers/run.hpp>

#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <random>
#include <string>

namespace tombolo::kernel {

struct detached_store;

/// Why a switch or the begin of a batch needs more than the fast path.
namespace attention_bits {
inline constexpr unsigned watched = 1;       ///< some instrument watches what tasks do; implied by stepwise
inline constexpr unsigned stepwise = 2;      ///< some instrument watches steps: they are taken one by one
inline constexpr unsigned whole_passes = 4;  ///< no batch may begin without a look at everything
inline constexpr unsigned interrupt = 8;     ///< a keyboard interrupt came and has not been thrown yet
inline constexpr unsigned dormant = 16;      ///< somebody else waits for events: what host code does must wake it
}  // namespace attention_bits

/// Whoever waits for events in a dormant run's stead.
class remote_waiter {
public:
    /// The wait is over: there is something to do.
    virtual void roused() noexcept = 0;

protected:
    ~remote_waiter() = default;
};

/// A run: a plain struct that joins the queues. It has no policy and does no I/O; the functions that act on it stand in
/// files of their own.
///
/// Invariants:
/// 1. Everything here is touched by the run's thread only, but for what `entries` synchronises itself.
/// 2. `queue.mark().fiber` is the fiber that drives passes; it runs <=> no task is current, but for hook calls on behalf of one.
/// 3. attention_bits::stepwise => every switch away from a task goes to that fiber.
struct run_state {
    run_queue queue;
    pass_budget budget;
    unsigned attention = 0;         ///< attention_bits: what keeps switches off their fast path
    task_state* stepped = nullptr;  ///< in stepwise mode: whose step is under way
    bool stepped_task_exited = false;

    kernel::deadlines deadlines;
    kernel::fd_waiters fd_waiters;
    kernel::watched_fds watched_fds;
    kernel::poller poller;
    kernel::idle_waiters idle_waiters;
    kernel::instruments instruments;
    std::shared_ptr<entry_queue> entries = std::make_shared<entry_queue>();
    long own_entry_references = 1;  ///< how many owners of `entries` are the run's own; others may bring work
    bool watches_wake_up = false;   ///< the poller watches entries->wake_up
    bool poller_failed = false;
    remote_waiter* waiter = nullptr;   ///< set in a run that can be dormant
    task_state* entry_task = nullptr;  ///< set while the run_sync_soon task waits for jobs

    tombolo::clock* clock = nullptr;
    bool has_own_clock = false;  ///< the user's: time may move without warning, so every batch looks at it
    bool clock_failed = false;
    stack_pool* stacks = nullptr;
    long last_trim = 0;  ///< seconds of the coarse monotonic clock
    task_records records;
    std::size_t stack_size = 0;
    duration spin_before_sleep{};
    bool strict_groups = true;
    bool detect_deadlock = false;
    bool measure_stacks = false;
    std::optional<std::mt19937_64> random;

    task_state* root = nullptr;
    task_state* main = nullptr;
    nursery* system_nursery = nullptr;
    nursery* entry_nursery = nullptr;
    cancel_scope* entry_scope = nullptr;  ///< what ends the run_sync_soon task; no cancel from further out does
    std::size_t tasks_living = 0;
    std::uint64_t next_task_id = 0;

    bool owns_interrupts = false;  ///< SIGINT is ours for the time of this run

    unsigned born = fork_generation;  ///< in which fork_generation
    std::uint64_t serial = 0;         ///< tells this run from every other of the process
    variable_map run_variables;
    variables_ref system_variables;

    std::exception_ptr main_error;
    std::exception_ptr root_error;
    cancel_scope* root_scope = nullptr;  ///< around everything, system tasks included
    std::exception_ptr crash;            ///< the first failure of the machinery itself
    std::string crash_text;              ///< what failed; empty while nothing has
    bool deadlocked = false;
    std::string deadlock_text;

    std::shared_ptr<detached_store> detached;  ///< made for the first task that is detached for good

    std::size_t stack_high_water = 0;
    std::string stack_high_water_task;

    /// Whether a task waits for a descriptor.
    bool awaits_descriptors() const noexcept { return !fd_waiters.empty() || watched_fds.awaited(); }
    /// True in a child of the process that made the run.
    bool forked() const noexcept { return born != fork_generation; }

    bool attends(unsigned bits) const noexcept { return (attention & bits) != 0; }
    void attend(unsigned bits, bool on) noexcept { attention = on ? attention | bits : attention & ~bits; }
};

}  // namespace tombolo::kernel
