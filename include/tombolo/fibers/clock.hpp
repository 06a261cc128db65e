#pragma once

#include <tombolo/base/time.hpp>

namespace tombolo {

/// Where a run gets its time from. Give one to `run` to test with virtual time or to follow another time source; without
/// one a run reads the system's monotonic clock, shifted by a random offset so that time points of different runs are not
/// mixed up unnoticed.
///
/// A clock belongs to one run at a time. Everything is called on the run's thread and must neither block nor reach a
/// checkpoint. An exception out of a clock that the run asks between steps ends the run with internal_error; one that a task
/// meets (in now(), when it enters a scope or goes to sleep) is thrown there.
/// Source: trio.abc.Clock.
class clock {
public:
    clock() = default;
    clock(const clock&) = delete;
    clock& operator=(const clock&) = delete;
    virtual ~clock() = default;

    /// Called once, before anything else of the run.
    virtual void start() {}

    virtual time_point now() const = 0;

    /// How long to wait in real time until `deadline`: zero or less when it has passed, duration::max() when waiting
    /// cannot bring it nearer.
    virtual duration time_until(time_point deadline) const = 0;

    /// How long every task has to be blocked in real time before the run calls autojump(); duration::max() is never.
    virtual duration autojump_threshold() const { return duration::max(); }

    /// Called when all tasks have been blocked for the threshold: moves the time to `next_deadline`, which is in the future.
    virtual void autojump(time_point next_deadline) { static_cast<void>(next_deadline); }
};

/// The time of the current run. Time points mean nothing in another run.
/// Checkpoint: never. Throws: not_in_run. Source: trio.current_time.
time_point now();

namespace lowlevel {

/// Checkpoint: never. Throws: not_in_run. Lifetime: that of the run. Source: trio.lowlevel.current_clock.
clock& current_clock();

}  // namespace lowlevel
}  // namespace tombolo
