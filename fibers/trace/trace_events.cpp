#include "fibers/trace/trace_events.hpp"

#include "fibers/trace/json_text.hpp"
#include "fibers/trace/track_slices.hpp"

#include <tombolo/fibers/errors.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

namespace tombolo::kernel {

namespace {

class event_writer {
public:
    explicit event_writer(std::ostream& out) : json_(out) {}

    void write(const timeline& what, bool with_waits, std::size_t bytes) {
        json_.raw(R"({"displayTimeUnit":"ns","otherData":{"producer":"tombolo","bytes":")").number(bytes);
        json_.raw(R"(","dropped_events":")").number(what.dropped).raw("\"},\n\"traceEvents\":[");
        if (what.dropped != 0 && !what.runs.empty()) drop_note(what, bytes);
        for (const timeline::run& each : what.runs) write_run(each, with_waits);
        json_.raw("\n]}\n").flush();
    }

private:
    /// Begins an event: everything that all events have.
    json_text& event(std::string_view phase, std::string_view name, std::uint64_t time, std::uint64_t thread) {
        json_.flush_when_long();
        json_.raw(any_ ? ",\n" : "\n").raw(R"({"ph":")").raw(phase).raw(R"(","name":)").string(name);
        any_ = true;
        json_.raw(R"(,"pid":)").number(process_).raw(R"(,"tid":)").number(thread);
        return json_.raw(R"(,"ts":)").microseconds(time);
    }

    void metadata(std::string_view what, std::uint64_t thread, std::string_view name, std::uint64_t order) {
        const bool of_process = what == "process";
        const auto kind = [&](std::string_view suffix) { return std::string(what).append(suffix); };
        event("M", kind("_name"), 0, thread).raw(R"(,"args":{"name":)").string(name).raw("}}");
        event("M", kind("_sort_index"), 0, thread)
            .raw(R"(,"args":{"sort_index":)")
            .number(of_process ? process_ : order)
            .raw("}}");
    }

    void drop_note(const timeline& what, std::size_t bytes) {
        process_ = what.runs.front().number;
        const std::string text = std::to_string(what.dropped) + " older events were dropped: the recorder has " +
            std::to_string(bytes) + " bytes";
        event("i", text, what.runs.front().begin, next_thread_).raw(R"(,"cat":"trace","s":"g"})");
    }

    void write_run(const timeline::run& run, bool with_waits) {
        process_ = run.number;
        const std::uint64_t loop_thread = next_thread_++;
        metadata(
            "process", loop_thread,
            "run " + std::to_string(run.number) + (run.from_its_begin ? "" : " (from later on)"), run.number);
        metadata("thread", loop_thread, "run loop", 0);
        // Tracks in the order in which the tasks were made, however they came into the trace.
        std::vector<std::size_t> order(run.tracks.size());
        for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
        std::ranges::sort(order, {}, [&](std::size_t i) { return run.tracks[i].task; });
        threads_.assign(run.tracks.size(), 0);
        for (const std::size_t i : order) {
            const timeline::track& track = run.tracks[i];
            threads_[i] = next_thread_++;
            metadata("thread", threads_[i], track.name + " #" + std::to_string(track.task), threads_[i]);
        }
        for (const timeline::loop_slice& each : run.loop) loop_slice(each, loop_thread);
        for (const std::size_t i : order)
            for_each_slice(run.tracks[i], run, with_waits, [&](const track_slice& each) { slice(each, threads_[i]); });
        for (const std::size_t i : order)
            for (const timeline::span& each : run.tracks[i].spans)
                if (each.cancel) cancel_note(*each.cancel, threads_[i]);
        for (const timeline::cancellation& each : run.root_cancels) cancel_note(each, loop_thread);
        for (const timeline::arrow& each : run.arrows) arrow(each, run, loop_thread);
        for (const timeline::counts& each : run.samples) {
            event("C", "tasks", each.time, loop_thread).raw(R"(,"args":{"runnable":)").number(each.runnable);
            json_.raw(R"(,"living":)").number(each.living).raw("}}");
        }
    }

    void begin_slice(
        std::string_view name, std::string_view category, std::uint64_t begin, std::uint64_t end,
        std::uint64_t thread) {
        event("X", name, begin, thread).raw(R"(,"cat":")").raw(category).raw(R"(","dur":)").microseconds(end - begin);
        json_.raw(R"(,"args":{)");
        any_argument_ = false;
    }

    json_text& argument(std::string_view name) {
        if (any_argument_) json_.raw(",");
        any_argument_ = true;
        return json_.string(name).raw(":");
    }

    void end_slice() { json_.raw("}}"); }

    void loop_slice(const timeline::loop_slice& each, std::uint64_t thread) {
        begin_slice(
            each.longest_wait ? "wait for events" : "wake tasks", each.longest_wait ? "io" : "loop", each.begin,
            each.end, thread);
        const auto for_ever = static_cast<std::uint64_t>(duration::max().count());
        if (each.longest_wait && *each.longest_wait >= for_ever)
            argument("timeout").string("none");
        else if (each.longest_wait)
            argument("timeout_us").microseconds(*each.longest_wait);
        end_slice();
    }

    void slice(const track_slice& each, std::uint64_t thread) {
        begin_slice(each.name, each.category, each.begin, each.end, thread);
        if (each.span != nullptr)
            span_arguments(*each.span);
        else if (!each.ends.empty())
            argument("ends").string(each.ends);
        if (each.where != nullptr) argument("waits_in").string(each.where);
        end_slice();
    }

    void span_arguments(const timeline::span& span) {
        if (span.to_deadline != no_deadline) argument("deadline_us").microseconds(span.to_deadline);
        if (span.shielded) argument("shielded").raw("true");
        if (span.cancel) cancel_arguments(*span.cancel);
        if (span.ended && (span.absorbed || span.cancel))
            argument("absorbed_the_cancellation").raw(span.absorbed ? "true" : "false");
        if (!span.ended) argument("still_open").raw("true");
        if (span.first_step == timeline::nothing) argument("began_before_the_trace").raw("true");
    }

    void cancel_arguments(const timeline::cancellation& cancel) {
        argument("cancelled_by").string(to_string(static_cast<cancel_source>(cancel.source)));
        if (!cancel.reason.empty()) argument("reason").string(cancel.reason);
        if (!cancel.source_task.empty()) argument("by_task").string(cancel.source_task);
    }

    void cancel_note(const timeline::cancellation& cancel, std::uint64_t thread) {
        std::string name = "cancelled: ";
        name += to_string(static_cast<cancel_source>(cancel.source));
        event("i", name, cancel.time, thread).raw(R"(,"cat":"cancel","s":"t","args":{)");
        any_argument_ = false;
        cancel_arguments(cancel);
        end_slice();
    }

    void arrow(const timeline::arrow& each, const timeline::run& run, std::uint64_t loop_thread) {
        const auto to = run.track_of.find(each.to);
        if (to == run.track_of.end()) return;
        const timeline::track& track = run.tracks[to->second];
        const auto tail = tail_of(each, run);
        if (each.to_step >= track.steps.size() || !tail) return;
        const std::string_view name = each.spawns ? "spawns" : "wakes";
        const std::uint64_t number = next_arrow_++;
        const std::uint64_t from = each.from == timeline::nothing ? loop_thread : threads_[each.from];
        event("s", name, *tail, from).raw(R"(,"cat":"wake","id":)").number(number).raw("}");
        event("f", name, track.steps[each.to_step].begin, threads_[to->second])
            .raw(R"(,"cat":"wake","bp":"e","id":)")
            .number(number);
        json_.raw("}");
    }

    /// Where the arrow leaves: inside its slice, and not at the very end, which belongs to the next one.
    static std::optional<std::uint64_t> tail_of(const timeline::arrow& each, const timeline::run& run) {
        const auto within = [&](const auto& slices) -> std::optional<std::uint64_t> {
            if (each.from_slice >= slices.size()) return std::nullopt;
            const auto& slice = slices[each.from_slice];
            if (each.time < slice.begin || each.time > slice.end) return std::nullopt;
            return slice.end > slice.begin ? std::min(each.time, slice.end - 1) : slice.begin;
        };
        return each.from == timeline::nothing ? within(run.loop) : within(run.tracks[each.from].steps);
    }

    json_text json_;
    bool any_ = false;
    bool any_argument_ = false;
    std::uint64_t process_ = 0;
    std::uint64_t next_thread_ = 1;
    std::uint64_t next_arrow_ = 1;
    std::vector<std::uint64_t> threads_;  ///< of the tracks of the run that is being written
};

}  // namespace

void write_trace_events(std::ostream& out, const timeline& what, bool with_waits, std::size_t bytes) {
    event_writer(out).write(what, with_waits, bytes);
}

}  // namespace tombolo::kernel
