#pragma once

namespace tombolo::kernel {

struct run_state;
struct task_state;

/// Why the code that runs now must not block. `none` while may_park is set.
enum class refusal : unsigned char {
    none,
    outside_run,
    outside_task,
    no_checkpoint,
    abort_function,
    instrument,
    callback,
    clock,
    detached,
    forked
};

/// What this thread is doing, as far as the kernel is concerned. Public only so that a free lock is taken inline.
///
/// Invariants:
/// 1. may_park is the current task wherever it may block; elsewhere it is null, `barred` is the current task (null: none)
///    and `why` says why blocking is refused. One store at a switch keeps both.
/// 2. A task is current => run == task->run.
struct run_context {
    task_state* may_park = nullptr;
    task_state* barred = nullptr;
    run_state* run = nullptr;
    refusal why = refusal::outside_run;
};

extern thread_local constinit run_context this_thread __attribute__((tls_model("initial-exec")));

}  // namespace tombolo::kernel
