#include <tombolo/fibers/counters.hpp>

#include "fibers/trace/tick_clock.hpp"

#include <tombolo/fibers/run.hpp>
#include <tombolo/fibers/statistics.hpp>
#include <tombolo/fibers/task.hpp>

#include <algorithm>
#include <bit>
#include <numeric>

namespace tombolo {

namespace {

constexpr unsigned first_bucket_bits = 7;

std::size_t bucket_of(std::uint64_t nanoseconds) noexcept {
    const auto bits = static_cast<unsigned>(std::bit_width(nanoseconds > 0 ? nanoseconds - 1 : 0));
    const std::size_t bucket = bits > first_bucket_bits ? bits - first_bucket_bits : 0;
    return std::min(bucket, counter_statistics::step_buckets - 1);
}

}  // namespace

run_counters::run_counters() : scale_(kernel::tick_scale::of_this_process()) {}

counter_statistics run_counters::statistics() const noexcept {
    const auto time = [](const counter& of) { return duration(static_cast<std::int64_t>(of.get())); };
    const auto get = [](const counter& of) { return of.get(); };
    counter_statistics now;
    now.runs = runs_.get();
    now.tasks_spawned = tasks_spawned_.get();
    now.tasks_exited = tasks_exited_.get();
    now.wake_ups = wake_ups_.get();
    std::ranges::transform(scopes_cancelled_, now.scopes_cancelled.begin(), get);
    std::ranges::transform(steps_by_length_, now.steps_by_length.begin(), get);
    now.steps = std::accumulate(now.steps_by_length.begin(), now.steps_by_length.end(), std::uint64_t{0});
    now.busy_time = time(busy_nanoseconds_);
    now.longest_step = time(longest_step_nanoseconds_);
    now.io_waits = io_waits_.get();
    now.io_wait_time = time(io_wait_nanoseconds_);
    now.tasks_living = tasks_living_.get();
    // Read one after the other: a step may have been counted that its wake-up has not.
    const auto runnable = static_cast<std::int64_t>(runnable_less_wake_ups_.get() + now.wake_ups - now.steps);
    now.tasks_runnable = static_cast<std::uint64_t>(std::max<std::int64_t>(runnable, 0));
    now.stacks_in_use = stacks_in_use_.get();
    now.stacks_in_use_peak = stacks_in_use_peak_.get();
    now.run_sync_soon_queue_size = run_sync_soon_queue_size_.get();
    return now;
}

void run_counters::begin_run(std::uint64_t living, std::uint64_t runnable) noexcept {
    runs_.add(1);
    tasks_living_.set(living);
    const counter_statistics before = statistics();
    runnable_less_wake_ups_.set(runnable + before.steps - before.wake_ups);
    stepping_ = nullptr;
    wait_began_ = last_ = 0;
}

void run_counters::before_run() { begin_run(1, 0); }

void run_counters::attached() {
    const lowlevel::run_statistics found = lowlevel::current_statistics();
    begin_run(found.tasks_living, found.tasks_runnable);
    if (!in_task()) return;
    stepping_ = &lowlevel::current_task();
    step_began_ = 0;
}

void run_counters::after_run() { sample(kernel::read_ticks()); }

void run_counters::task_spawned(task&) {
    tasks_spawned_.add(1);
    tasks_living_.add(1);
}

void run_counters::task_scheduled(task&) { wake_ups_.add(1); }

void run_counters::before_task_step(task& stepping) {
    stepping_ = &stepping;
    step_began_ = last_ != 0 ? last_ : kernel::read_ticks();
}

void run_counters::after_task_step(task& stepped) {
    if (stepping_ != &stepped) return;
    stepping_ = nullptr;
    if (step_began_ == 0) return;
    last_ = kernel::read_ticks();
    const std::uint64_t length = scale_.length(last_ - step_began_);
    busy_nanoseconds_.add(length);
    steps_by_length_[bucket_of(length)].add(1);
    if (length > longest_step_nanoseconds_.get()) longest_step_nanoseconds_.set(length);
}

void run_counters::task_exited(task& ended) {
    tasks_exited_.add(1);
    tasks_living_.subtract_one();
    // Without a stack it ends before its first step.
    if (stepping_ != &ended) runnable_less_wake_ups_.subtract_one();
}

void run_counters::before_io_wait(duration longest) {
    constexpr std::uint64_t between_samples = 100'000'000;
    wait_began_ = 0;
    if (longest > duration::zero()) {
        wait_began_ = kernel::read_ticks();
        sample(wait_began_);
    } else if (last_ != 0 && scale_.length(last_ - sampled_) > between_samples) {
        sample(last_);
    }
    last_ = 0;
}

void run_counters::after_io_wait(duration) {
    if (wait_began_ == 0) return;
    io_waits_.add(1);
    io_wait_nanoseconds_.add(scale_.length(kernel::read_ticks() - wait_began_));
}

void run_counters::scope_cancelled(cancel_scope&, const cancel_reason& why) {
    scopes_cancelled_[static_cast<std::size_t>(why.source)].add(1);
}

void run_counters::sample(std::uint64_t now) {
    const lowlevel::run_statistics found = lowlevel::current_statistics();
    stacks_in_use_.set(found.stacks.in_use);
    stacks_in_use_peak_.set(found.stacks.peak_in_use);
    run_sync_soon_queue_size_.set(found.run_sync_soon_queue_size);
    sampled_ = now;
}

}  // namespace tombolo
