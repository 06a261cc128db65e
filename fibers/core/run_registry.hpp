#pragma once

namespace tombolo::kernel {

struct run_state;

/// A run's place in the list of all runs of the process, for as long as it lives. The list is there for debuggers, which
/// find it by the symbol `tombolo_runs`: scripts/gdb/tombolo.py reads it, in a core as well, where no code can be called
/// and thread-local variables are out of reach. Nothing in the library reads it.
///
/// Invariants:
/// 1. From tombolo_runs.first, `next` leads through all registered runs, newest first, and ends at null.
/// 2. `thread` is the kernel's id of the thread that made it. The list itself changes under a mutex only.
class registered_run {
public:
    explicit registered_run(run_state& run) noexcept;
    registered_run(const registered_run&) = delete;
    registered_run& operator=(const registered_run&) = delete;
    ~registered_run();

private:
    run_state* run_;
    registered_run* next_ = nullptr;
    registered_run* previous_ = nullptr;
    long thread_;
};

/// What a debugger finds first.
struct run_registry {
    unsigned layout;  ///< changes when what scripts/gdb/tombolo.py reads changes its meaning
    registered_run* first;
    const char* switch_backend;
};

}  // namespace tombolo::kernel

extern "C" tombolo::kernel::run_registry tombolo_runs;
