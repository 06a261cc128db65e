#include <tombolo/fibers/kernel/own_thread.hpp>

#include "fibers/core/run_context.hpp"
#include "fibers/core/task_state.hpp"

namespace tombolo::kernel {

void require_own_thread(const task& sleeper, const char* what) {
    require_same_run(static_cast<const task_state&>(sleeper).run, what);
}

}  // namespace tombolo::kernel
