#pragma once

#include <tombolo/fibers/errors.hpp>
#include <tombolo/fibers/instrument.hpp>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <iosfwd>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace tombolo {

namespace kernel {
class tick_scale;
}  // namespace kernel

/// Thrown for a label that Prometheus would not take, or that the metrics use themselves. Names are letters, digits and
/// underscores, do not begin with a digit or two underscores, and differ; `le` and `source` are taken.
class invalid_metric_label : public usage_error {
public:
    using usage_error::usage_error;
};

/// What run_counters has counted. Everything but the gauges adds up over all runs that it has watched.
struct counter_statistics {
    /// Bucket i counts the steps that took at most 2^(i + 7) ns and more than those of the bucket before; the last one
    /// counts all longer ones.
    static constexpr std::size_t step_buckets = 28;

    std::uint64_t runs = 0;
    std::uint64_t tasks_spawned = 0;  ///< root tasks are not: nobody spawns them
    std::uint64_t tasks_exited = 0;
    std::uint64_t steps = 0;
    std::uint64_t wake_ups = 0;                       ///< how often a task became runnable, yields included
    std::array<std::uint64_t, 6> scopes_cancelled{};  ///< by cancel_source
    std::array<std::uint64_t, step_buckets> steps_by_length{};
    duration busy_time{};  ///< in steps
    duration longest_step{};
    std::uint64_t io_waits = 0;  ///< passes in which the run was ready to wait
    duration io_wait_time{};

    std::uint64_t tasks_living = 0;    ///< gauge; root tasks included
    std::uint64_t tasks_runnable = 0;  ///< gauge; that which runs included
    std::uint64_t stacks_in_use = 0;   ///< gauge, as of the last sample: before each wait, and ten times a second
    std::uint64_t stacks_in_use_peak = 0;
    std::uint64_t run_sync_soon_queue_size = 0;  ///< gauge, sampled as well
};

/// Names and values that all series of a run_counters carry: {{"run", "gateway"}}.
using metric_labels = std::vector<std::pair<std::string, std::string>>;

/// An instrument that counts what a run does, for dashboards and alerts: cheap enough to stay installed. To see single
/// steps and who woke whom, use trace_recorder.
///
/// One run at a time counts into it, any number after each other. Each value can be read while the run goes on; values read
/// together may be a few events apart.
/// Lifetime: outlives the runs that it watches.
class run_counters final : public instrument {
public:
    run_counters();
    run_counters(const run_counters&) = delete;
    run_counters& operator=(const run_counters&) = delete;

    /// Checkpoint: never. Callable from: any thread.
    counter_statistics statistics() const noexcept;

    /// Writes everything in the text format of Prometheus, with `labels` on each series.
    /// Checkpoint: never. Throws: invalid_metric_label, before anything is written. Callable from: any thread.
    void write_prometheus(std::ostream& out, const metric_labels& labels = {}) const;

    void before_run() override;
    void after_run() override;
    void attached() override;
    void task_spawned(task&) override;
    void task_scheduled(task&) override;
    void before_task_step(task&) override;
    void after_task_step(task&) override;
    void task_exited(task&) override;
    void before_io_wait(duration) override;
    void after_io_wait(duration) override;
    void scope_cancelled(cancel_scope&, const cancel_reason&) override;

private:
    /// Written by the run's thread only, read by any.
    class counter {
    public:
        void add(std::uint64_t more) noexcept { set(get() + more); }
        void subtract_one() noexcept { set(get() - 1); }
        void set(std::uint64_t value) noexcept { value_.store(value, std::memory_order_relaxed); }
        std::uint64_t get() const noexcept { return value_.load(std::memory_order_relaxed); }

    private:
        std::atomic<std::uint64_t> value_{0};
    };

    void begin_run(std::uint64_t living, std::uint64_t runnable) noexcept;
    void sample(std::uint64_t now);

    counter runs_;
    counter tasks_spawned_;
    counter tasks_exited_;
    counter wake_ups_;
    std::array<counter, 6> scopes_cancelled_;
    std::array<counter, counter_statistics::step_buckets> steps_by_length_;
    counter busy_nanoseconds_;
    counter longest_step_nanoseconds_;
    counter io_waits_;
    counter io_wait_nanoseconds_;
    counter tasks_living_;
    counter runnable_less_wake_ups_;  ///< runnable tasks, less wake-ups, plus steps: constant, but for odd cases
    counter stacks_in_use_;
    counter stacks_in_use_peak_;
    counter run_sync_soon_queue_size_;

    // Of the run's thread, in ticks of the clock.
    const kernel::tick_scale& scale_;
    task* stepping_ = nullptr;
    std::uint64_t step_began_ = 0;  ///< 0: before the counters came
    std::uint64_t wait_began_ = 0;  ///< 0: this pass does not wait
    std::uint64_t last_ = 0;        ///< when the last step ended; 0: something else has happened since
    std::uint64_t sampled_ = 0;
};

struct labelled_counters {
    const run_counters* counters;
    metric_labels labels;
};

/// The same for several runs, one on each thread, say: the labels must tell them apart.
/// Checkpoint: never. Throws: invalid_metric_label, before anything is written. Callable from: any thread.
void write_prometheus(std::ostream& out, std::span<const labelled_counters> runs);

}  // namespace tombolo
