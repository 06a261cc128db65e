#include <tombolo/testing/mock_clock.hpp>

#include "fibers/core/run_context.hpp"
#include "fibers/core/scheduling.hpp"

#include <chrono>
#include <cmath>
#include <string>

namespace tombolo::testing {

namespace {

double checked_rate(double rate) {
    if (!(rate >= 0.0) || std::isinf(rate))
        throw invalid_duration(
            "mock_clock: a rate of " + std::to_string(rate) +
            " is no speed for a clock; give zero (it stands still) or a positive number of virtual seconds "
            "in a real second");
    return rate;
}

std::optional<duration> checked_threshold(std::optional<duration> threshold) {
    if (threshold) static_cast<void>(to_timeout(*threshold, "mock_clock: autojump threshold"));
    return threshold;
}

/// A guest run that sleeps while its host's code turns at its clock has to plan its sleep anew.
void rouse_run_of(const clock& changed) {
    kernel::run_state* run = kernel::this_thread.run;
    if (run != nullptr && run->clock == &changed) kernel::rouse(*run);
}

}  // namespace

mock_clock::mock_clock(const mock_clock_options& options)
    : real_base_(std::chrono::steady_clock::now()),
      rate_(checked_rate(options.rate)),
      threshold_(checked_threshold(options.autojump_threshold)) {}

time_point mock_clock::now() const {
    if (rate_ == 0.0) return virtual_base_;
    const std::chrono::duration<double, std::nano> real = std::chrono::steady_clock::now() - real_base_;
    return saturating_add(virtual_base_, to_duration(real * rate_, "mock_clock"));
}

void mock_clock::rebase() {
    virtual_base_ = now();
    real_base_ = std::chrono::steady_clock::now();
}

void mock_clock::rate(double rate) {
    checked_rate(rate);
    rebase();
    rate_ = rate;
    rouse_run_of(*this);
}

void mock_clock::autojump(std::optional<duration> threshold) {
    threshold_ = checked_threshold(threshold);
    rouse_run_of(*this);
}

void mock_clock::jump_by(duration by) {
    rebase();
    virtual_base_ = saturating_add(virtual_base_, by);
    rouse_run_of(*this);
}

void mock_clock::autojump(time_point next_deadline) {
    rebase();
    if (next_deadline > virtual_base_) virtual_base_ = next_deadline;
}

duration mock_clock::time_until(time_point deadline) const {
    const time_point time = now();
    if (deadline <= time) return duration::zero();
    if (rate_ == 0.0 || deadline == time_point::max()) return duration::max();
    return to_duration(std::chrono::duration<double, std::nano>(deadline - time) / rate_, "mock_clock");
}

}  // namespace tombolo::testing
