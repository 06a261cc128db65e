#include <tombolo/fibers/clock.hpp>

#include "fibers/core/run_context.hpp"
#include "fibers/core/run_state.hpp"

namespace tombolo {

time_point now() { return kernel::require_run("now").clock->now(); }

clock& lowlevel::current_clock() { return *kernel::require_run("current_clock").clock; }

}  // namespace tombolo
