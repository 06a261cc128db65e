#pragma once

#include <tombolo/fibers/clock.hpp>

#include <chrono>

namespace tombolo::kernel {

/// The clock of a run that was given none: the system's monotonic clock plus a random offset of hours, so that time points
/// of different runs, or of std::chrono, do not pass for one another unnoticed.
class system_clock final : public clock {
public:
    system_clock();

    time_point now() const override {
        return time_point(std::chrono::steady_clock::now().time_since_epoch() + offset_);
    }
    duration time_until(time_point deadline) const override;

private:
    duration offset_;
};

}  // namespace tombolo::kernel
