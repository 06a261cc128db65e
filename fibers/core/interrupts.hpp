#pragma once

#include "fibers/core/run_state.hpp"

namespace tombolo::kernel {

/// Takes over SIGINT for the time of a run, if this is the program's main thread and the program has left SIGINT alone.
/// A signal_subscription to SIGINT, of any run, has it instead for as long as it lives.
class interrupt_handler {
public:
    explicit interrupt_handler(run_state& run) noexcept;
    interrupt_handler(const interrupt_handler&) = delete;
    interrupt_handler& operator=(const interrupt_handler&) = delete;
    /// Gives SIGINT back, unless somebody else has taken it meanwhile. One that nobody has noticed yet is raised again.
    ~interrupt_handler();

private:
    run_state& run_;
};

/// If SIGINT came since the last call: marks it pending and tries to interrupt the main task's wait.
void take_interrupt(run_state& run) noexcept;

}  // namespace tombolo::kernel
