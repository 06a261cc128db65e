#pragma once

#include "test/support/json.hpp"

#include <tombolo/fibers/trace.hpp>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace tombolo::testing {

/// A trace file as its reader sees it. Reading it checks what every trace has to keep.
class trace_view {
public:
    struct track_id {
        int pid = 0;
        int tid = 0;
        auto operator<=>(const track_id&) const = default;
    };

    struct slice {
        track_id track;
        std::string name;
        std::string category;
        std::int64_t begin = 0;  ///< nanoseconds
        std::int64_t end = 0;
        std::size_t depth = 0;  ///< in how many others it lies
        json args;

        std::int64_t length() const { return end - begin; }
        /// What stands in an argument, empty when it is not there.
        std::string text(const std::string& argument) const;
    };

    struct arrow {
        std::string name;
        track_id from;
        track_id to;
        std::int64_t begin = 0;
        std::int64_t end = 0;
    };

    struct note {
        track_id track;
        std::string name;
        std::int64_t time = 0;
        json event;
    };

    /// Parses, and fails the test where the text is no JSON, a slice ends before it begins, slices of a track overlap, or an
    /// arrow does not lead from one slice to another.
    explicit trace_view(const std::string& text);
    explicit trace_view(const trace_recorder& recorder);

    /// The track of a task, by its name without the number. Fails the test unless there is exactly one.
    track_id track(const std::string& name) const;
    std::string name_of(track_id track) const;

    std::vector<slice> slices_on(track_id track) const;
    std::vector<slice> slices_on(track_id track, const std::string& category) const;
    /// The arrows between two tracks.
    std::vector<arrow> arrows_between(track_id from, track_id to) const;

    json document;
    std::vector<slice> slices;  ///< as they come in the file
    std::vector<arrow> arrows;
    std::vector<note> notes;
    std::vector<json> counters;
    std::map<track_id, std::string> names;
    std::map<int, std::string> processes;
    std::uint64_t dropped = 0;

private:
    void read_event(const json& event);
    void check_slices();
    void check_arrows();
    const slice* innermost_at(track_id track, std::int64_t time) const;

    struct flow_end {
        track_id track;
        std::int64_t time = 0;
        std::string name;
    };
    std::map<int, flow_end> starts_;
    std::map<int, flow_end> finishes_;
};

}  // namespace tombolo::testing
