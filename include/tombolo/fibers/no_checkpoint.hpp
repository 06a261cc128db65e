#pragma once

namespace tombolo {

namespace kernel {
struct task_state;
}  // namespace kernel

/// While an object of this class lives, a checkpoint of the current task is an error: checkpoint_forbidden, thrown before
/// anything changes. Write it where an invariant must not be seen broken by other tasks.
///
/// Checkpoint: never. Throws: not_in_task when there is no task that it could guard.
/// Lifetime: a local variable of the task's own code. Nests.
class [[nodiscard]] no_checkpoint {
public:
    no_checkpoint();
    no_checkpoint(const no_checkpoint&) = delete;
    no_checkpoint& operator=(const no_checkpoint&) = delete;
    ~no_checkpoint();

private:
    kernel::task_state* may_park_before_;
    kernel::task_state* barred_before_;
    unsigned char refusal_before_;
};

}  // namespace tombolo
