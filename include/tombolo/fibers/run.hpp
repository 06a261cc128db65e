#pragma once

#include <tombolo/base/time.hpp>
#include <tombolo/fibers/clock.hpp>
#include <tombolo/fibers/instrument.hpp>
#include <tombolo/fibers/kernel/callable_ref.hpp>
#include <tombolo/fibers/result_box.hpp>

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

namespace tombolo {

struct run_options {
    /// Where time comes from; null: the system's monotonic clock plus a random offset. Must outlive the run.
    tombolo::clock* clock = nullptr;

    /// Watch the run from its start. They must outlive the run.
    std::vector<lowlevel::instrument_ref> instruments = {};

    /// Units: bytes of virtual memory for each task's stack, guard included; a task resides in what it touches.
    /// A multiple of the page size, at least 16 KiB. A spawn can ask for another size.
    std::size_t stack_size = 256 * 1024;

    /// When set, every batch of runnable tasks is shuffled by a generator with this seed: the same program with the same
    /// seed and a test clock runs the same way. Without it tasks run in the order in which they became runnable; that
    /// order is no promise.
    std::optional<std::uint64_t> seed = std::nullopt;

    /// False: a nursery with a single error throws it bare, and its groups collapse when cancel scopes shrink them.
    bool strict_groups = true;

    /// True: a run in which nothing can ever happen any more is cancelled and ends with `deadlock`, which shows the task
    /// tree. Only tasks, deadlines, descriptors and run tokens held elsewhere count as "can happen"; signals do not.
    bool detect_deadlock = false;

    /// True: SIGINT becomes a keyboard_interrupt in the main task, if its action is the default one when the run starts and
    /// this is the program's main thread. False: it is left to whoever handles it, a guest run's host for example.
    bool take_interrupts = true;

    /// Kept for the reader of trio programs: an interrupt can only surface at checkpoints here, so this is always so.
    bool restrict_keyboard_interrupt_to_checkpoints = true;

    /// How long an idle run looks for work before it sleeps in the kernel. Trades processor time for wake-up latency.
    duration spin_before_sleep = duration::zero();

    /// Measures how deep each task's stack was used (task::stack_used, the task tree, statistics). Costs microseconds a task.
    bool measure_stacks = false;
};

namespace kernel {
void run_main(callable_ref main, const run_options& options);
}  // namespace kernel

/// Runs `main` as the first task of a new run on this thread, and returns what it returns when every task has ended.
///
/// Why: it is the door into an async island. Everything inside may block "the fiber way": other tasks run meanwhile.
/// Checkpoint: never (it blocks the thread; it is no task that could let others run).
/// Throws: what `main` throws, unwrapped; nested_run inside a run of this thread; invalid_stack_size; internal_error when
/// the machinery, a system task, an abort function or a run_sync_soon callback failed; keyboard_interrupt when one was
/// pending at the end; deadlock. Bad options are reported before anything happens.
/// Threads: independent runs may exist on different threads. A task never leaves the thread of its run.
/// Source: trio.run.
template <class F>
auto run(F&& main, const run_options& options = {}) -> std::invoke_result_t<F> {
    result_box<std::invoke_result_t<F>> result;
    auto body = [&] { result.capture(std::forward<F>(main)); };
    kernel::run_main(body, options);
    return result.take();
}

/// True while a run is installed on this thread, even between steps of its tasks.
/// Checkpoint: never. Callable from: any thread. Source: trio.lowlevel.in_trio_run.
bool in_run() noexcept;

/// True while a task is current, also in an abort function that it called.
/// Checkpoint: never. Callable from: any thread. Source: trio.lowlevel.in_trio_task.
bool in_task() noexcept;

}  // namespace tombolo
