#include "test/support/trace_view.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <sstream>

namespace tombolo::testing {

namespace {

std::int64_t nanoseconds(const json& microseconds) { return std::llround(microseconds.number() * 1000); }

trace_view::track_id track_of(const json& event) {
    return {static_cast<int>(event["pid"].number()), static_cast<int>(event["tid"].number())};
}

std::string written(const trace_recorder& recorder) {
    std::ostringstream out;
    recorder.write(out);
    return out.str();
}

}  // namespace

std::string trace_view::slice::text(const std::string& argument) const {
    return args.has(argument) ? args[argument].string() : "";
}

trace_view::trace_view(const trace_recorder& recorder) : trace_view(written(recorder)) {}

trace_view::trace_view(const std::string& text) : document(json::parse(text)) {
    for (const json& event : document["traceEvents"].items()) read_event(event);
    dropped = std::stoull(document["otherData"]["dropped_events"].string());
    check_slices();
    check_arrows();
}

void trace_view::read_event(const json& event) {
    const std::string& phase = event["ph"].string();
    const std::string& name = event["name"].string();
    const track_id track = track_of(event);
    const std::int64_t time = nanoseconds(event["ts"]);
    if (phase == "X") {
        const std::int64_t length = nanoseconds(event["dur"]);
        EXPECT_GE(length, 0) << name;
        slices.push_back({track, name, event["cat"].string(), time, time + length, 0, event["args"]});
    } else if (phase == "s" || phase == "f") {
        const int id = static_cast<int>(event["id"].number());
        auto& ends = phase == "s" ? starts_ : finishes_;
        EXPECT_TRUE(ends.emplace(id, flow_end{track, time, name}).second) << "arrow " << id << " has two " << phase;
        if (phase == "f") {
            EXPECT_EQ(event["bp"].string(), "e") << "or it would lead to the next slice";
        }
    } else if (phase == "i") {
        notes.push_back({track, name, time, event});
    } else if (phase == "C") {
        counters.push_back(event);
    } else if (phase == "M" && name == "thread_name") {
        EXPECT_TRUE(names.emplace(track, event["args"]["name"].string()).second) << "a track with two names";
    } else if (phase == "M" && name == "process_name") {
        EXPECT_TRUE(processes.emplace(track.pid, event["args"]["name"].string()).second);
    } else {
        EXPECT_EQ(phase, "M") << "what is that?";
    }
}

void trace_view::check_slices() {
    std::map<track_id, std::vector<const slice*>> open;
    for (slice& each : slices) {
        EXPECT_TRUE(names.contains(each.track)) << each.name << " lies on a track without a name";
        auto& around = open[each.track];
        const auto is_over = [&](const slice& earlier) { return earlier.end <= each.begin; };
        while (!around.empty() && is_over(*around.back())) around.pop_back();
        if (!around.empty()) {
            const slice& outer = *around.back();
            EXPECT_GE(each.begin, outer.begin) << each.name << " comes too late in the file";
            EXPECT_LE(each.end, outer.end) << each.name << " overlaps " << outer.name << " on " << names[each.track];
        }
        each.depth = around.size();
        around.push_back(&each);
    }
}

const trace_view::slice* trace_view::innermost_at(track_id track, std::int64_t time) const {
    const slice* innermost = nullptr;
    for (const slice& each : slices)
        if (each.track == track && each.begin <= time && time <= each.end &&
            (each.category == "step" || each.category == "io" || each.category == "loop"))
            innermost = &each;
    return innermost;
}

void trace_view::check_arrows() {
    EXPECT_EQ(starts_.size(), finishes_.size());
    for (const auto& [id, start] : starts_) {
        const auto found = finishes_.find(id);
        if (found == finishes_.end()) {
            ADD_FAILURE() << "arrow " << id << " leads nowhere";
            continue;
        }
        const flow_end& finish = found->second;
        EXPECT_LE(start.time, finish.time);
        EXPECT_EQ(start.name, finish.name);
        EXPECT_NE(innermost_at(start.track, start.time), nullptr) << "arrow " << id << " comes from no slice";
        const auto is_target = [&](const slice& each) {
            return each.track == finish.track && each.begin == finish.time && each.category == "step";
        };
        EXPECT_TRUE(std::ranges::any_of(slices, is_target)) << "arrow " << id << " leads to no step";
        arrows.push_back({start.name, start.track, finish.track, start.time, finish.time});
    }
}

trace_view::track_id trace_view::track(const std::string& name) const {
    std::vector<track_id> found;
    for (const auto& [id, text] : names)
        if (text.substr(0, text.rfind(" #")) == name) found.push_back(id);
    EXPECT_EQ(found.size(), 1U) << "tracks called " << name;
    return found.empty() ? track_id{} : found.front();
}

std::string trace_view::name_of(track_id track) const {
    const auto found = names.find(track);
    return found == names.end() ? std::string() : found->second.substr(0, found->second.rfind(" #"));
}

std::vector<trace_view::slice> trace_view::slices_on(track_id track) const {
    std::vector<slice> found;
    for (const slice& each : slices)
        if (each.track == track) found.push_back(each);
    return found;
}

std::vector<trace_view::slice> trace_view::slices_on(track_id track, const std::string& category) const {
    std::vector<slice> found;
    for (const slice& each : slices)
        if (each.track == track && each.category == category) found.push_back(each);
    return found;
}

std::vector<trace_view::arrow> trace_view::arrows_between(track_id from, track_id to) const {
    std::vector<arrow> found;
    for (const arrow& each : arrows)
        if (each.from == from && each.to == to) found.push_back(each);
    return found;
}

}  // namespace tombolo::testing
