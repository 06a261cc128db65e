#pragma once

#include <tombolo/base/time.hpp>

#include <cstddef>
#include <string>

namespace tombolo::lowlevel {

struct io_statistics {
    std::string backend;
    std::size_t tasks_waiting_read = 0;  ///< includes the run's own wake-up reader
    std::size_t tasks_waiting_write = 0;
};

struct stack_use_statistics {
    std::size_t in_use = 0;  ///< stacks that tasks of this thread hold now
    std::size_t free = 0;    ///< kept for reuse
    std::size_t peak_in_use = 0;
    std::size_t high_water = 0;  ///< bytes; with run_options.measure_stacks: the deepest use by a finished task
    std::string high_water_task;
};

/// A snapshot of a run. Source: trio.lowlevel.current_statistics.
struct run_statistics {
    std::size_t tasks_living = 0;  ///< includes the root task and the run_sync_soon task
    std::size_t tasks_runnable = 0;
    duration time_to_next_deadline{};  ///< negative when it has passed; duration::max() when there is none
    std::size_t run_sync_soon_queue_size = 0;
    io_statistics io;
    stack_use_statistics stacks;
};

/// Checkpoint: never. Throws: not_in_run.
run_statistics current_statistics();

}  // namespace tombolo::lowlevel
