#pragma once

#include "fibers/core/run_context.hpp"
#include "fibers/core/task_records.hpp"
#include "fibers/core/task_state.hpp"

#include <tombolo/fibers/detach.hpp>

#include <exception>
#include <memory>
#include <optional>

namespace tombolo::kernel {

/// Keeps the memory of the records of tasks that were detached for good, which the code on their stacks still uses: the
/// run's, while there is a run, and what it leaves behind afterwards.
struct detached_store {
    run_state* run = nullptr;
    std::optional<task_records> left_behind;
};

/// A fiber outside of its run: shared by the task's record and the foreign scheduler's handle.
///
/// Invariants:
/// 1. resumer != null <=> state == running <=> this is a member of the chain that starts at current_detached.
/// 2. The fiber is that of `task`, whose record lives until the fiber has ended, also when the task is over.
struct detached_record : std::enable_shared_from_this<detached_record> {
    enum class phase {
        leaving,    ///< not yet off its run's hands
        suspended,  ///< resume() is next
        running,    ///< inside resume()
        finished    ///< ended, or gone home
    };

    task_state* task = nullptr;
    run_context* home = nullptr;
    phase state = phase::leaving;
    bool for_good = false;
    bool dropped = false;
    fiber* resumer = nullptr;
    detached_record* outer = nullptr;  ///< the detached fiber that resumed this one

    unique_function<void(lowlevel::raise_cancel)> on_cancel;
    wait_record wait{"detached", nullptr, nullptr, nullptr, &type_tag<void>};

    stack_pool* stacks = nullptr;
    std::shared_ptr<detached_store> store;
    std::exception_ptr error;

    static lowlevel::detached_fiber handle(std::shared_ptr<detached_record> record) noexcept {
        return lowlevel::detached_fiber(std::move(record));
    }
};

/// The function of a task whose fiber is detached has come to its end. Returns once the fiber has gone home, which it does by
/// itself; for one that was detached for good this was all: resume() throws `error`, and nothing returns.
void end_detached(task_state& task, std::exception_ptr& error) noexcept;

/// For whoever leaves something that belongs to the task, a scope or a nursery: takes code that went abroad inside of it home
/// first, as reattach() does. Does nothing anywhere else.
void go_home_before_leaving() noexcept;

/// The run is about to go: what detached fibers still need of it stays with them.
void leave_behind_detached(run_state& run) noexcept;

}  // namespace tombolo::kernel
