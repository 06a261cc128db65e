#pragma once

#include <tombolo/fibers/instrument.hpp>

#include <cstddef>
#include <cstdint>
#include <iosfwd>
#include <memory>
#include <string>

namespace tombolo {

namespace kernel {
class trace_log;
}  // namespace kernel

/// Which time a trace shows: `steady` is the machine's, whatever clock the run has; `run` is the run's own, which stands
/// still while a test computes.
enum class trace_time : unsigned char { steady, run };

struct trace_options {
    /// Units: bytes. All the memory that recording takes; when it is full the oldest records make room. About 32 bytes for
    /// a step and 32 for a wake-up. At least 64 KiB.
    std::size_t bytes = std::size_t{4} << 20;

    trace_time time = trace_time::steady;

    /// Shows also where tasks wait and for how long they are runnable before they run. Costs nothing but a longer file.
    bool waits = true;
};

struct trace_statistics {
    std::uint64_t recorded = 0;  ///< events that the next write() will show
    std::uint64_t dropped = 0;   ///< older ones that had to make room
    std::uint64_t runs = 0;      ///< runs, or stretches of a run, that were watched
    std::size_t bytes = 0;       ///< taken for recording; constant
};

/// An instrument that records what a run does and writes it as a Chrome trace (JSON), which https://ui.perfetto.dev opens.
///
/// Why: to see who ran when, who woke whom, what everybody waited for, and who was cancelled and why. Each run is a process
/// with one track for each task and one for the run loop. On a task's track lie its nurseries and cancel scopes, inside
/// them its steps, and between those its waits. Arrows lead from the step that wakes (or spawns) a task to the step that
/// the task makes then. For figures over days use run_counters.
///
/// Recording takes a bounded, constant amount of memory and formats nothing; writing takes memory of its own, several
/// times as much. One recorder can watch several runs, one after the other; added to a run that is going already, it shows
/// it from then on.
///
/// Lifetime: outlives the runs that it watches. Not thread-safe: use everything on the run's thread, or after the run.
class trace_recorder final : public instrument {
public:
    /// Throws: usage_error when fewer than 64 KiB are given; std::bad_alloc.
    explicit trace_recorder(const trace_options& options = {});
    trace_recorder(const trace_recorder&) = delete;
    trace_recorder& operator=(const trace_recorder&) = delete;
    ~trace_recorder() override;

    /// Writes what is recorded, in the trace event format. A task may call it in the middle of a run: what is under way
    /// is shown up to now.
    /// Checkpoint: never. Throws: what the stream throws; std::bad_alloc.
    void write(std::ostream& out) const;

    /// The same, into a file, which is replaced.
    /// Checkpoint: never. Throws: std::system_error, which names the file; std::bad_alloc.
    void write_file(const std::string& path) const;

    trace_statistics statistics() const noexcept;

    /// Forgets what is recorded; goes on recording.
    void clear();

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
    void nursery_entered(nursery&) override;
    void nursery_exited(nursery&) override;
    void scope_entered(cancel_scope&) override;
    void scope_exited(cancel_scope&) override;
    void scope_cancelled(cancel_scope&, const cancel_reason&) override;

private:
    std::unique_ptr<kernel::trace_log> log_;
    bool waits_;
};

}  // namespace tombolo
