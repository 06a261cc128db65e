#pragma once

#include <tombolo/fibers/kernel/switch_point.hpp>

#include <cstdint>

namespace tombolo {

namespace kernel {

/// lowlevel::checkpoint_if_cancelled and lowlevel::cancel_shielded_checkpoint, for primitives that end at once; `what` names
/// the primitive in error texts. The first answers whether others may have run.
bool checkpoint_if_cancelled(const char* what);
#if defined(TOMBOLO_INLINE_CHECKPOINT)
switch_plan begin_checkpoint();
void end_checkpoint();
switch_plan begin_shielded_checkpoint(const char* what);
[[gnu::always_inline]] inline void cancel_shielded_checkpoint(const char* what) {
    follow(begin_shielded_checkpoint(what));
}
#else
void cancel_shielded_checkpoint(const char* what);
#endif

}  // namespace kernel

/// Lets every other runnable task run, then throws if the current task is cancelled.
/// Checkpoint: always. Cancellation: throws `cancelled` (or keyboard_interrupt in the main task) after the others ran.
/// Deadlines are looked at between batches of tasks, not at every checkpoint: one that has passed is noticed 20 microseconds
/// later, or at the latest 16 checkpoints after that where they follow each other within a microsecond. With a seed or a
/// clock of the user's own every batch looks.
/// Throws: not_in_task, not_in_run outside a task; checkpoint_forbidden where blocking is not allowed; wrong_flavour.
/// Source: trio.lowlevel.checkpoint.
#if defined(TOMBOLO_INLINE_CHECKPOINT)
inline void checkpoint() {
    kernel::follow(kernel::begin_checkpoint());
    kernel::end_checkpoint();
}
#else
void checkpoint();
#endif

namespace lowlevel {

/// A full checkpoint if the current task is cancelled; otherwise nothing, without letting others run.
/// Checkpoint: only its cancellation half. Throws: as checkpoint(). Source: trio.lowlevel.checkpoint_if_cancelled.
void checkpoint_if_cancelled();

/// Lets every other runnable task run and ignores cancellation.
/// Checkpoint: only its scheduling half. Throws: as checkpoint(), but never `cancelled`.
/// Source: trio.lowlevel.cancel_shielded_checkpoint.
void cancel_shielded_checkpoint();

/// How often the current task has passed each half of a checkpoint. testing::assert_checkpoints compares them.
struct checkpoint_counts {
    std::uint64_t cancel_points = 0;
    std::uint64_t schedule_points = 0;
};

/// Checkpoint: never. Throws: not_in_task.
checkpoint_counts current_checkpoint_counts();

}  // namespace lowlevel
}  // namespace tombolo
