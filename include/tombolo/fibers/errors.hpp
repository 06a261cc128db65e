#pragma once

#include <tombolo/base/assert.hpp>

#include <atomic>
#include <exception>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace tombolo {

namespace kernel {
struct cancelled_access;
}  // namespace kernel

// ---- what is not a std::exception, so that `catch (const std::exception&)` lets it pass

// What cancelled a scope.
enum class cancel_source { deadline, explicit_call, nursery, shutdown, keyboard_interrupt, unknown };

// In words, as it stands in error texts: "deadline", "explicit call", "nursery", ...
[[nodiscard]] std::string_view to_string(cancel_source source) noexcept;

// Who cancelled a scope and why: the answer to "who cancelled me?".
struct cancel_reason {
    cancel_source source = cancel_source::unknown;
    std::string reason;       // what was given to cancel(), or what happened; may be empty
    std::string source_task;  // the name of the task that caused it; empty when no task did
};

// Thrown at a checkpoint inside a cancelled scope; the scope that was cancelled catches it. Never swallow it: clean up
// and let it go on (`throw;`), also from `catch (...)`, or every later checkpoint in the scope throws again. Nobody but
// the library makes one.
//
// Source: trio.Cancelled.
class cancelled final {
public:
    cancelled(const cancelled& other) noexcept : reason_(other.reason_) {}
    cancelled& operator=(const cancelled&) = delete;
    ~cancelled();

    [[nodiscard]] cancel_source source() const noexcept { return reason_->source; }
    [[nodiscard]] const std::string& reason() const noexcept { return reason_->reason; }
    [[nodiscard]] const std::string& source_task() const noexcept { return reason_->source_task; }

    // All three in one line, made at the first call.
    //
    // Callable from: any thread.
    // Lifetime: the text lives as long as this object.
    [[nodiscard]] const char* what() const noexcept;

private:
    friend struct kernel::cancelled_access;

    explicit cancelled(std::shared_ptr<const cancel_reason> reason) noexcept : reason_(std::move(reason)) {
        TOMBOLO_ASSERT(reason_ != nullptr, "a cancelled says why: it needs a reason");
    }

    std::shared_ptr<const cancel_reason> reason_;             // never null, so a move copies it
    mutable std::atomic<const std::string*> text_ = nullptr;  // what(), once somebody asked; owned
};

// Thrown in the main task when the user pressed Ctrl-C (SIGINT). Catch it only to end the program in order.
//
// Source: KeyboardInterrupt.
class keyboard_interrupt {
public:
    keyboard_interrupt() noexcept = default;
    // `context` is the error that was under way when the interrupt took its place.
    explicit keyboard_interrupt(std::exception_ptr context) noexcept : context_(std::move(context)) {}
    keyboard_interrupt(const keyboard_interrupt&) noexcept = default;
    keyboard_interrupt& operator=(const keyboard_interrupt&) noexcept = default;
    virtual ~keyboard_interrupt();

    // Null when the interrupt displaced no other error.
    [[nodiscard]] const std::exception_ptr& context() const noexcept { return context_; }
    [[nodiscard]] virtual const char* what() const noexcept;

private:
    std::exception_ptr context_;
};

// ---- mistakes in the calling program: change the program, do not retry

// The common base of all misuse that the library detects; thrown before anything has changed.
class usage_error : public std::logic_error {
public:
    using std::logic_error::logic_error;
};

// Thrown when a function of one flavour is called from code of the other. Cross over with the bridge in
// tombolo::interop, or call the same thing from the caller's own flavour.
class wrong_flavour : public usage_error {
public:
    using usage_error::usage_error;
};

// Thrown when a function that needs a running task is called outside one: in an instrument, a callback or an abort
// function. Call it from a task.
class not_in_task : public wrong_flavour {
public:
    using wrong_flavour::wrong_flavour;
};

// Thrown when no run is active on the calling thread. Call it inside tombolo::run; from another thread, go through a
// run_token or tombolo::from_thread.
class not_in_run : public not_in_task {
public:
    using not_in_task::not_in_task;
};

// Thrown when a run is started where one is active already. Open a nursery in the active run, or start the second run
// on a thread of its own.
class nested_run : public usage_error {
public:
    using usage_error::usage_error;
};

// Thrown in the child of a fork by everything that would go on with a run of its parent: blocking calls, spawning, tokens.
// In the child call exec or _exit. It may start a run of its own, also inside a task of the parent's, but it cannot
// return from that task: where no error can be thrown, the process is aborted with a message.
class forked_run : public usage_error {
public:
    using usage_error::usage_error;
};

// Thrown in a task whose fiber was detached for a while when the foreign scheduler destroyed its handle instead of letting
// it go home. The task goes on in its run; whatever the foreign side was to do for it may not have happened.
class detached_fiber_dropped : public usage_error {
public:
    using usage_error::usage_error;
};

// Thrown when an object that belongs to one thread's run is used from another. Go through a run_token or from_thread.
class wrong_thread : public usage_error {
public:
    using usage_error::usage_error;
};

// Thrown at a checkpoint inside the lifetime of a no_checkpoint. Move the blocking call out of that section.
class checkpoint_forbidden : public usage_error {
public:
    using usage_error::usage_error;
};

// Thrown when a task is spawned into a nursery that has ended. Spawn while its body or one of its tasks still runs.
class nursery_closed : public usage_error {
public:
    using usage_error::usage_error;
};

// Thrown when a cancel scope is entered a second time. Make a new scope for each use.
class scope_reused : public usage_error {
public:
    using usage_error::usage_error;
};

// Thrown when a cancel scope that was not entered yet is asked for a deadline it does not have: for the absolute one
// when it was given a relative one, or the other way round. Ask for the one it was given, or ask once it is entered.
class deadline_unset : public usage_error {
public:
    using usage_error::usage_error;
};

// Thrown when a task is rescheduled that is not parked, or a second time for one park. Make sure that each park gets
// exactly one reschedule; an abort function that answers succeeded must withdraw every other source of wake-ups.
class invalid_reschedule : public usage_error {
public:
    using usage_error::usage_error;
};

// Thrown when task_status::started is called twice. Call it once, when the task is ready.
class already_started : public usage_error {
public:
    using usage_error::usage_error;
};

// Thrown for a stack size that is too small to run on or too large to reserve. Leave the option out for the default.
class invalid_stack_size : public usage_error {
public:
    using usage_error::usage_error;
};

// Thrown for a file descriptor that is negative, not open, or of a kind that cannot be waited on. Pass an open socket,
// pipe or the like; read regular files in a thread.
class invalid_descriptor : public usage_error {
public:
    using usage_error::usage_error;
};

// Thrown for a count, capacity or limit outside its range. The text names the range.
class invalid_count : public usage_error {
public:
    using usage_error::usage_error;
};

// Thrown for a signal number that does not exist or that no program can receive, and for an empty list of them. The text
// names the number and says what to do instead.
class invalid_signal : public usage_error {
public:
    using usage_error::usage_error;
};

// Thrown when a task_local or run_local is read that has neither a value nor a default. Set it first, or give it a
// default where it is declared.
class unset_variable : public usage_error {
public:
    using usage_error::usage_error;
};

// Thrown when a variable is reset with a token of another variable, of another task, or used before. Keep each token
// beside the set() it came from.
class variable_token_misuse : public usage_error {
public:
    using usage_error::usage_error;
};

// Thrown when an instrument is removed that is not installed in this run. Remove each one once.
class instrument_not_found : public usage_error {
public:
    using usage_error::usage_error;
};

// Thrown when a task is struck off a parking lot's breakers (the tasks whose exit breaks the lot) more often than it
// was put there. Pair each removal with one addition.
class not_a_breaker : public usage_error {
public:
    using usage_error::usage_error;
};

// Thrown when something is acquired by its holder: a mutex by the task that has it locked, a capacity limiter's token by
// a borrower that has one. Release it first, or pass on that it is held.
class already_owner : public usage_error {
public:
    using usage_error::usage_error;
};

// Thrown when something is given back, or used as if it were held, by who does not hold it: a mutex unlocked by another
// task, a token by another borrower, a condition variable used without its lock. Let the holder do it.
class not_owner : public usage_error {
public:
    using usage_error::usage_error;
};

// Thrown when a semaphore is released past its maximum. Pair each release with one acquire.
class released_too_often : public usage_error {
public:
    using usage_error::usage_error;
};

// ---- failures that a correct program meets: catch them where something can be done

// The common base of what can fail while a correct program runs.
class runtime_failure : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

// Thrown by fail_after and fail_at when their scope was cancelled. Retry, give up, or allow more time.
class too_slow : public runtime_failure {
public:
    using runtime_failure::runtime_failure;
};

// Thrown when an operation that may not block could not be done at once. Try later, or use the blocking form.
class would_block : public runtime_failure {
public:
    using runtime_failure::runtime_failure;
};

// Thrown when a second task uses what one task at a time may use. Let one task own it, or guard it with a mutex.
class busy_resource : public runtime_failure {
public:
    using runtime_failure::runtime_failure;
};

// Thrown when something is used after it was closed here, also to those who wait at that moment. Stop using it.
class closed_resource : public runtime_failure {
public:
    using runtime_failure::runtime_failure;
};

// Thrown when the other side is gone or the state is past repair. Close it; make a new one if there is a point.
class broken_resource : public runtime_failure {
public:
    using runtime_failure::runtime_failure;
};

// Thrown by a receive when every sender has closed and nothing is left. It is how a channel ends; a range-for over the
// receiver ends without it.
class end_of_channel : public runtime_failure {
public:
    using runtime_failure::runtime_failure;
};

// Thrown when a thread or a token calls into a run that has finished. Do without it: there is nobody left to do it.
class run_finished : public runtime_failure {
public:
    using runtime_failure::runtime_failure;
};

// Thrown by nursery::start when the child returned without calling started(). Call started() when the child is ready.
class not_started : public runtime_failure {
public:
    using runtime_failure::runtime_failure;
};

// Thrown by open_nursery when the nursery's own cancel scope ended a body that should return a value: there is none to
// return. Return the value through a variable outside, or make it an optional.
class body_cancelled : public runtime_failure {
public:
    using runtime_failure::runtime_failure;
};

// Thrown when no guarded stack could be had; the text names how many there are and, where it is the cause, the kernel's
// vm.max_map_count. Limit how many tasks run at a time, use smaller stacks, or raise that limit.
class stack_exhausted : public runtime_failure {
public:
    using runtime_failure::runtime_failure;
};

// Thrown when the system gives no further thread. Let fewer jobs run at a time (a capacity_limiter does that), or raise
// the limit that the text names.
class thread_exhausted : public runtime_failure {
public:
    using runtime_failure::runtime_failure;
};

// Thrown when every task waits and nothing can ever wake one. The text shows who waits where.
class deadlock : public runtime_failure {
public:
    using runtime_failure::runtime_failure;
};

// Thrown out of a run when the runtime itself, or a system task or host callback that it relies on, failed. All tasks
// have been cancelled. Report it with its cause.
class internal_error : public runtime_failure {
public:
    internal_error(const std::string& what, std::exception_ptr cause)
        : runtime_failure(what), cause_(std::move(cause)) {}

    // What failed; null when the text says it all.
    [[nodiscard]] const std::exception_ptr& cause() const noexcept { return cause_; }

private:
    std::exception_ptr cause_;
};

}  // namespace tombolo
