#pragma once

#include "fibers/core/ticks.hpp"

#include <cstddef>
#include <cstdint>

namespace tombolo::kernel {

/// Decides whether the next batch may begin at once, in the task that used up the last one, or whether the run loop has to
/// look at I/O and deadlines first. Small batches would otherwise pay for a clock read and a poll every few switches.
///
/// What it promises: once 20 microseconds have passed since the loop looked, it looks again before the next batch, or at the
/// latest 16 steps later if the steps before were shorter than a microsecond on average. It looks after 1,024 steps (or one
/// batch, if that is larger) in any case.
class pass_budget {
public:
    /// `batch`: the size of the batch that would begin now.
    bool may_continue(std::size_t batch) noexcept {
        steps_ += batch;
        if (steps_ < next_look_) return true;
        return continue_after_look();
    }

    /// The run loop has looked at everything.
    void restart() noexcept {
        const std::uint64_t now = ticks();
        // Long steps can afford a glance at the time after each batch, and are the ones that would overrun a deadline.
        const bool long_steps = (now - started_at_) / ticks_in_a_microsecond() >= steps_;
        next_look_ = stride_ = long_steps ? 0 : steps_between_looks;
        steps_ = 0;
        started_at_ = now;
    }

    /// A deadline was set: the time is looked at before the next batch.
    void watch_time() noexcept { next_look_ = 0; }

private:
    static constexpr std::size_t steps_between_looks = 16;
    static constexpr std::size_t most_steps = 1024;
    bool continue_after_look() noexcept {
        if (steps_ >= most_steps || ticks() - started_at_ >= 20 * ticks_in_a_microsecond()) return false;
        next_look_ = steps_ + stride_;
        return true;
    }

    std::size_t steps_ = 0;
    std::size_t next_look_ = 0;
    std::size_t stride_ = 0;
    std::uint64_t started_at_ = 0;
};

}  // namespace tombolo::kernel
