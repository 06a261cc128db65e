#pragma once

#include <tombolo/base/time.hpp>
#include <tombolo/fibers/instrument.hpp>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace tombolo {

/// A task that kept its run from all others for too long.
struct watchdog_report {
    enum class kind {
        stuck,  ///< it still does
        ended   ///< it had been reported, and has let others run now
    };
    /// What the run's thread was doing meanwhile, seen from its CPU time: `blocked` is a system call or a lock of the
    /// thread (or a machine that is busy with others).
    enum class activity { computing, blocked, both };

    kind what = kind::stuck;
    std::string task;  ///< its name; at most 48 characters while it is stuck
    std::uint64_t task_id = 0;
    duration lasted{};    ///< at least; up to one look_every() more
    duration cpu_time{};  ///< of the run's thread in that time
    std::string tree;     ///< as lowlevel::task_tree(); only with `ended`: nobody can look at a run while it moves

    activity doing() const noexcept;
    /// A sentence, and the tree below it.
    std::string to_string() const;
};

struct watchdog_options {
    /// A step (what a task does between two checkpoints) that takes longer is reported. Positive.
    duration threshold = std::chrono::milliseconds(100);

    /// Receives the reports, one at a time, on the watchdog's thread; it may block. Empty: to_string() goes to stderr. After
    /// an exception out of it, which is reported there too, it is not called again.
    std::function<void(const watchdog_report&)> sink = {};

    /// True: a step that goes on is reported again after twice the time, four times, and so on.
    bool repeat = true;

    /// False: reports carry no task tree, whose making delays the run: about a microsecond a task, once for each reported step.
    bool include_tree = true;

    /// False: there is no thread, and reports are made (and sinks called) in calls of look(). For tests, and for programs with
    /// a monitoring thread of their own.
    bool own_thread = true;

    /// How time is told: since any fixed moment. Empty: the system's monotonic clock, and what the kernel says about the
    /// run's thread. Called by whoever looks, and by the run's thread when a reported step ends.
    std::function<duration()> wall_time = {};
    std::function<duration()> cpu_time = {};
};

/// An instrument that reports tasks which compute or block for too long between two checkpoints, while they do it.
///
/// Why: tasks of a run take turns on one thread, so a single blocking call or long loop stops all of them, deadlines and
/// cancellation included. A watchdog has a thread of its own, looks from there which step is under way, and names the task.
/// Nothing is interrupted and nobody's stack is unwound; for that there is a debugger (scripts/gdb/tombolo.py). The task
/// tree follows when the step has ended.
/// Cost: the run takes its steps one by one, as with any instrument that watches steps; this one adds a few stores to each.
/// A run that waits for events causes no reports, and after a while no wake-ups either.
///
/// Give it to run() in run_options.instruments, or add_instrument() it. It watches one run at a time: the next one may start
/// when this one has ended. There is no report after run() has returned.
/// Lifetime: as every instrument, longer than the run, or until remove_instrument(), before which stop() must be called: else
/// the step that removed it seems to last for ever.
class watchdog final : public instrument {
public:
    /// Throws: invalid_duration when the threshold is not positive.
    explicit watchdog(watchdog_options options = {});
    watchdog(const watchdog&) = delete;
    watchdog& operator=(const watchdog&) = delete;
    /// Stops.
    ~watchdog() override;

    /// No report begins after this, until a next run starts. Waits for a sink that is being called.
    /// Checkpoint: never. Callable from: any thread. Throws: usage_error when called by the sink.
    void stop();

    /// Looks once, which is what the watchdog's thread does all the time: a step under way that was there at an earlier look
    /// is reported when it is due.
    /// Checkpoint: never. Callable from: any thread.
    void look();

    /// Units: time between two looks of the watchdog's thread: a quarter of the threshold, at least a millisecond.
    duration look_every() const noexcept;

    void before_run() override;
    void after_run() override;
    void before_task_step(task&) override;
    void after_task_step(task&) override;
    void before_io_wait(duration) override;
    void after_io_wait(duration) override;

private:
    class observer;
    std::unique_ptr<observer> observer_;
};

}  // namespace tombolo
