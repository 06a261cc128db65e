#include <tombolo/testing/wait_all_tasks_blocked.hpp>

#include "fibers/core/run_context.hpp"
#include "fibers/core/run_state.hpp"

#include <tombolo/fibers/park.hpp>

namespace tombolo::testing {

void wait_all_tasks_blocked(duration cushion) {
    kernel::task_state& self = kernel::require_may_park("wait_all_tasks_blocked");
    kernel::run_state& run = *self.run;
    static_cast<void>(to_timeout(cushion, "wait_all_tasks_blocked"));
    const auto key = run.idle_waiters.add(cushion, self);
    auto abort_fn = [&](const lowlevel::raise_cancel&) {
        run.idle_waiters.remove(key);
        return lowlevel::abort::succeeded;
    };
    lowlevel::park<void>(abort_fn, "wait_all_tasks_blocked");
}

}  // namespace tombolo::testing
