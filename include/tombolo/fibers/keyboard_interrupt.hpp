#pragma once

namespace tombolo::lowlevel {

/// Decides, for the current task and for as long as it lives, whether checkpoints may throw keyboard_interrupt. The main
/// task starts unprotected, system tasks and callbacks protected. A pending interrupt waits for the first checkpoint that
/// may throw it, or replaces the run's result.
///
/// Checkpoint: never. Throws: not_in_task. Lifetime: a local variable of the task's own code. Nests.
/// Source: trio.lowlevel.enable_ki_protection / disable_ki_protection.
class [[nodiscard]] interrupt_guard {
public:
    enum class mode : bool { allow, protect };

    explicit interrupt_guard(mode);
    interrupt_guard(const interrupt_guard&) = delete;
    interrupt_guard& operator=(const interrupt_guard&) = delete;
    ~interrupt_guard();

private:
    bool protected_before_;
};

/// True where no checkpoint may throw keyboard_interrupt; also outside a task.
/// Checkpoint: never. Callable from: any thread. Source: trio.lowlevel.currently_ki_protected.
bool currently_interrupt_protected() noexcept;

}  // namespace tombolo::lowlevel
