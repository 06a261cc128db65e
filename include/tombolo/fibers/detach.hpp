#pragma once

#include <tombolo/base/outcome.hpp>
#include <tombolo/base/unique_function.hpp>
#include <tombolo/fibers/kernel/wait_record.hpp>

#include <concepts>
#include <memory>
#include <type_traits>
#include <utility>

namespace tombolo {

namespace lowlevel {
class detached_fiber;
}  // namespace lowlevel

namespace kernel {
struct detached_record;
using take_detached = unique_function<void(lowlevel::detached_fiber)>;
void detach_for_good(outcome<void> last, take_detached take);
void detach_for_a_while(unique_function<void(lowlevel::raise_cancel)> on_cancel, take_detached take);
}  // namespace kernel

namespace lowlevel {

/// A live fiber that was cut loose from its run, for a foreign scheduler to drive: what it runs goes on where it stood, with
/// its stack and its exceptions, but no task is current there.
///
/// A fiber runs only inside resume(), on the thread of the run that it comes from, until it calls suspend_detached(), goes
/// home with reattach(), or comes to its end.
/// Lifetime: to be kept until finished(). One that is dropped before it went home makes its task throw
/// detached_fiber_dropped there; dropping one that was detached for good terminates the program, because a suspended stack
/// cannot be unwound. Source: the coroutine objects behind trio.lowlevel.*_detach_coroutine_object.
class detached_fiber {
public:
    detached_fiber(detached_fiber&&) noexcept = default;
    detached_fiber& operator=(detached_fiber&& other) noexcept;
    ~detached_fiber();

    /// Lets the fiber run. Returns when it suspends, goes home or ends.
    /// Checkpoint: never (it switches to the fiber and nowhere else). Throws: what code that was detached for good threw at its
    /// end; usage_error when the fiber runs already or has finished, wrong_thread; nothing has changed then.
    void resume();

    /// The fiber has ended or gone home: it is not to be resumed any more. Checkpoint: never.
    bool finished() const noexcept;

private:
    friend struct kernel::detached_record;
    explicit detached_fiber(std::shared_ptr<kernel::detached_record> record) noexcept : record_(std::move(record)) {}
    void drop() noexcept;

    std::shared_ptr<kernel::detached_record> record_;
};

/// Ends the current task, as far as its run is concerned, with the outcome `last`, while its fiber lives on: `take` is given
/// the fiber, other tasks run, and this call returns inside the first resume(). When the task's function returns, the fiber
/// has finished; what it throws comes out of resume(). The fiber may outlive the run.
///
/// `take` must keep the fiber and must neither resume it nor block.
/// No checkpoint for a task that is over: others run, but cancellation is not looked at.
/// Throws: not_in_task and its kin; usage_error when the task is inside a nursery or a cancel scope of its own, which could not
/// be left any more, or is the main task; what `take` throws. Nothing has changed then.
/// Source: trio.lowlevel.permanently_detach_coroutine_object.
template <class Take>
    requires std::invocable<Take&, detached_fiber>
void permanently_detach(outcome<void> last, Take&& take) {
    kernel::detach_for_good(std::move(last), [&take](detached_fiber fiber) { take(std::move(fiber)); });
}

/// Hands the current task's fiber to a foreign scheduler for a while: `take` is given the fiber, other tasks run, and this
/// call returns inside the first resume(). The task counts as parked until the fiber calls reattach().
///
/// `take` must keep the fiber and must neither resume it nor block. `on_cancel(raise_cancel)` is called at most once, when the
/// task is cancelled meanwhile (at once if it is already): the wait cannot be cut short, so it can only ask the foreign side
/// to hurry up. It must neither block nor throw.
/// Checkpoint: always. Cancellation: through `on_cancel`; it is thrown at the first checkpoint after reattach().
/// Throws: not_in_task and its kin; what `take` throws, and then nothing has changed. Once home: detached_fiber_dropped.
/// Source: trio.lowlevel.temporarily_detach_coroutine_object.
template <class OnCancel, class Take>
    requires std::invocable<std::decay_t<OnCancel>&, raise_cancel> && std::invocable<Take&, detached_fiber>
void temporarily_detach(OnCancel&& on_cancel, Take&& take) {
    kernel::detach_for_a_while(
        std::forward<OnCancel>(on_cancel), [&take](detached_fiber fiber) { take(std::move(fiber)); });
}

/// Called on a detached fiber: goes back to whoever resumed it, until the next resume().
/// No checkpoint: there is no run to yield to. Throws: usage_error anywhere else; detached_fiber_dropped, back home, when
/// the foreign scheduler dropped the fiber.
void suspend_detached();

/// Called on a temporarily detached fiber: it goes home. Its task becomes runnable, the resume() that is under way returns, and
/// this call returns in the run.
/// No checkpoint of its own; the first one at home notices what was cancelled meanwhile. Throws: usage_error anywhere else.
/// Source: trio.lowlevel.reattach_detached_coroutine_object.
void reattach();

}  // namespace lowlevel
}  // namespace tombolo
