#include <tombolo/fibers/statistics.hpp>

#include "fibers/core/run_context.hpp"
#include "fibers/core/run_state.hpp"

namespace tombolo::lowlevel {

run_statistics current_statistics() {
    const kernel::run_state& run = kernel::require_run("current_statistics");
    run_statistics now;
    now.tasks_living = run.tasks_living;
    now.tasks_runnable = run.queue.size() - (run.queue.at_mark(run.queue.head()) ? 0 : 1);
    const time_point next = run.deadlines.next();
    now.time_to_next_deadline =
        next == time_point::max() ? duration::max() : saturating_difference(next, run.clock->now());
    now.run_sync_soon_queue_size = run.entries->size();
    now.io = {
        "epoll", run.fd_waiters.readers() + run.watched_fds.readers + 1,
        run.fd_waiters.writers() + run.watched_fds.writers};
    const kernel::stack_statistics stacks = run.stacks->statistics();
    now.stacks = {stacks.in_use, stacks.free, stacks.peak_in_use, run.stack_high_water, run.stack_high_water_task};
    return now;
}

}  // namespace tombolo::lowlevel
