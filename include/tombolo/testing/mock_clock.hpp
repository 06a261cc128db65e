#pragma once

#include <tombolo/fibers/clock.hpp>

#include <optional>

namespace tombolo::testing {

struct mock_clock_options {
    /// Virtual seconds that pass in a real second; 0: time stands still but for jumps. Not negative, not NaN.
    double rate = 0.0;
    /// How long all tasks have to be blocked, in real time, before the clock jumps to the next deadline. Absent: never.
    std::optional<duration> autojump_threshold = std::nullopt;
};

/// A clock for tests: starts at zero, moves by itself at a chosen rate, by hand with jump(), and, with an autojump threshold
/// of zero, straight to the next deadline whenever every task waits. A test of an hour then takes a millisecond.
///
/// Threads that tasks wait for count as blocked: a threshold of zero jumps past them.
/// Lifetime: outlives the run that it is given to; one run at a time. Not thread-safe.
/// Source: trio.testing.MockClock.
class mock_clock final : public clock {
public:
    mock_clock() : mock_clock(mock_clock_options{}) {}
    /// Throws: invalid_duration for a bad rate or a negative threshold.
    explicit mock_clock(const mock_clock_options& options);

    /// Moves the time forward. Deadlines that it passes take effect at the next checkpoint.
    /// Throws: invalid_duration when negative or not a number.
    template <class Rep, class Period>
    void jump(std::chrono::duration<Rep, Period> by) {
        jump_by(to_timeout(by, "mock_clock::jump"));
    }

    double rate() const noexcept { return rate_; }
    /// The time does not leap when the rate changes. Throws: invalid_duration.
    void rate(double rate);

    std::optional<duration> autojump() const noexcept { return threshold_; }
    /// Throws: invalid_duration.
    void autojump(std::optional<duration> threshold);

    /// Virtual time since the clock was made. Also readable outside a run.
    duration elapsed() const { return now().time_since_epoch(); }

    time_point now() const override;
    duration time_until(time_point deadline) const override;
    duration autojump_threshold() const override { return threshold_.value_or(duration::max()); }
    void autojump(time_point next_deadline) override;

private:
    void jump_by(duration by);
    void rebase();

    // Invariant: now() == virtual_base_ + (real time - real_base_) * rate_.
    time_point virtual_base_{};
    std::chrono::steady_clock::time_point real_base_;
    double rate_ = 0.0;
    std::optional<duration> threshold_;
};

}  // namespace tombolo::testing
