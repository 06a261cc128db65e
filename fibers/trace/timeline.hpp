#pragma once

#include "fibers/trace/trace_log.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

namespace tombolo::kernel {

/// What the records of a trace amount to: runs with tracks, tracks with steps, in nanoseconds since the recorder was made.
struct timeline {
    static constexpr std::size_t nothing = static_cast<std::size_t>(-1);

    struct cancellation {
        std::uint64_t time = 0;
        unsigned source = 0;
        std::string source_task;
        std::string reason;
    };

    /// A nursery or a cancel scope, from its begin to its end.
    struct span {
        bool is_nursery = false;
        bool shielded = false;
        bool absorbed = false;
        bool ended = false;
        std::uint64_t begin = 0;
        std::uint64_t end = 0;
        std::uint64_t to_deadline = no_deadline;
        std::size_t first_step = nothing;  ///< nothing: it began before the trace
        std::size_t last_step = nothing;   ///< nothing: it had not ended when the trace was written
        std::optional<cancellation> cancel;
    };

    /// The begin or the end of a span, in the step in which it happens.
    struct boundary {
        std::size_t span = 0;
        bool opens = false;
    };

    struct step {
        std::uint64_t begin = 0;
        std::uint64_t end = 0;
        const char* where = nullptr;
        std::optional<step_end> how;              ///< empty: it was under way when the trace was written
        std::size_t boundaries_end = 0;           ///< its boundaries are those from the step before up to this one
        std::optional<std::uint64_t> woken = {};  ///< when the task became runnable for it
    };

    struct track {
        std::uint64_t task = 0;
        std::string name;
        std::vector<step> steps;
        std::vector<boundary> boundaries;
        std::vector<span> spans;
        std::vector<std::size_t> open;       ///< spans, outermost first
        std::vector<std::size_t> earlier;    ///< spans that began before the trace, in the order in which they ended
        std::optional<std::uint64_t> woken;  ///< it is runnable since, and has not run
    };

    /// `from` made `to` runnable.
    struct arrow {
        std::uint64_t time = 0;
        std::size_t from = nothing;  ///< a track; nothing: the run loop
        std::size_t from_slice = 0;  ///< a step of that track, a slice of the loop
        std::uint64_t to = 0;        ///< a task's id
        std::size_t to_step = 0;     ///< the next one of that task
        bool spawns = false;
    };

    struct loop_slice {
        std::uint64_t begin = 0;
        std::uint64_t end = 0;
        std::optional<std::uint64_t> longest_wait;  ///< empty: it did not wait, it woke tasks
    };

    struct counts {
        std::uint64_t time = 0;
        std::uint64_t runnable = 0;
        std::uint64_t living = 0;
    };

    struct run {
        std::uint64_t number = 0;
        bool from_its_begin = false;
        std::uint64_t begin = UINT64_MAX;
        std::uint64_t end = 0;
        std::vector<track> tracks;
        std::unordered_map<std::uint64_t, std::size_t> track_of;  ///< by the task's id
        std::vector<arrow> arrows;
        std::vector<loop_slice> loop;
        std::vector<counts> samples;
        std::vector<cancellation> root_cancels;  ///< of scopes that no track shows
    };

    std::vector<run> runs;
    std::uint64_t dropped = 0;
};

/// Reads everything that a recorder has kept.
timeline read_timeline(const trace_log& log);

}  // namespace tombolo::kernel
