#pragma once

#include <tombolo/fibers/errors.hpp>
#include <tombolo/fibers/kernel/switch_point.hpp>

#include <exception>
#include <memory>

namespace tombolo {

class task;

namespace kernel {
struct run_state;
struct delivery;
}  // namespace kernel

namespace lowlevel {

/// What an abort function answers. `succeeded`: every other wake-up source is withdrawn, and the runtime reschedules the
/// task with the cancel error. `failed`: the task stays blocked, and somebody still owes it exactly one reschedule.
/// Source: trio.lowlevel.Abort.
enum class abort : unsigned char { succeeded, failed };

/// Throws the error on whose account an abort function was called: `cancelled` with its reason, or keyboard_interrupt.
/// Copy it to deliver the error later, after answering `failed` (a slow abort):
/// `reschedule(task, outcome<>::capture(saved))`.
/// Source: the argument of trio's abort functions.
class raise_cancel {
public:
    /// Throws: cancelled; or keyboard_interrupt, which then counts as delivered.
    [[noreturn]] void operator()() const;
    bool is_keyboard_interrupt() const noexcept { return interrupted_run_ != nullptr; }

private:
    friend struct kernel::delivery;
    raise_cancel() noexcept = default;

    std::shared_ptr<const cancel_reason> reason_;
    kernel::run_state* interrupted_run_ = nullptr;
};

}  // namespace lowlevel

namespace kernel {

/// Identifies a type without run-time type information.
template <class T>
inline constexpr char type_tag{};

/// One park: lives in the frame of the task that waits. Public only because park<T> is a template.
struct wait_record {
    using abort_call = lowlevel::abort (*)(void* context, const lowlevel::raise_cancel& raise);

    const char* where;    ///< for the task tree: the primitive's name
    abort_call abort_fn;  ///< null once called or once rescheduled
    void* abort_context;
    void* value;                                       ///< std::optional<T>*, null for void
    const void* value_type;                            ///< &type_tag<T>
    std::exception_ptr error = {};                     ///< given to reschedule
    std::shared_ptr<const cancel_reason> cancel = {};  ///< thrown fresh as `cancelled` by the woken task
    bool interrupted = false;                          ///< thrown fresh as keyboard_interrupt by the woken task
    task* waiter = nullptr;                            ///< who waits; set when it parks
};

/// Parks the current task until it is rescheduled; throws what it was given.
#if defined(TOMBOLO_INLINE_CHECKPOINT)
switch_plan begin_park(wait_record& wait);
void end_park(wait_record& wait);

inline void park(wait_record& wait) {
    follow(begin_park(wait));
    end_park(wait);
}
#else
void park(wait_record& wait);
#endif

/// Ends a park without a value; `what` names the caller in error texts.
/// Throws: wrong_thread; invalid_reschedule when somebody else has ended it. Nothing has changed then.
void wake(wait_record& wait, const char* what);

}  // namespace kernel
}  // namespace tombolo
