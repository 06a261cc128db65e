#pragma once

#include "fibers/trace/timeline.hpp"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tombolo::kernel {

/// What a track shows. Slices of one track lie inside each other or apart.
struct track_slice {
    std::string name;
    std::string_view category;
    std::uint64_t begin;
    std::uint64_t end;
    const timeline::span* span = nullptr;  ///< a nursery or a scope; null: a step or a wait
    std::string_view ends = {};            ///< how a step ended, where that is known
    const char* where = nullptr;           ///< what a step ended by waiting in
};

std::string name_of(const timeline::span& span);

/// Calls `show(track_slice)` for everything on a track, what begins first first, what is outside before what is inside.
///
/// Spans and steps overlap: a nursery opens in the middle of a step and closes in the middle of another one. Such a step is
/// shown in pieces, cut where the span begins or ends. A span that begins and ends in the same step lies inside of it.
template <class Show>
class track_walk {
public:
    track_walk(const timeline::track& track, const timeline::run& run, bool with_waits, Show& show)
        : track_(track), run_(run), with_waits_(with_waits), show_(show) {}

    void walk() {
        show_earlier_spans();
        std::size_t boundary = 0;
        for (std::size_t i = 0; i < track_.steps.size(); ++i) {
            if (with_waits_ && i > 0) show_wait(track_.steps[i - 1], track_.steps[i].begin, track_.steps[i].woken);
            show_step(i, boundary);
            boundary = track_.steps[i].boundaries_end;
        }
        if (with_waits_ && !track_.steps.empty() && track_.steps.back().how != step_end::exited)
            show_wait(track_.steps.back(), run_.end, track_.woken);
    }

private:
    /// What began before the trace: what is still open lies outside, then whatever ended last.
    void show_earlier_spans() {
        for (const std::size_t each : track_.earlier)
            if (!track_.spans[each].ended) show_span(track_.spans[each]);
        for (auto each = track_.earlier.rbegin(); each != track_.earlier.rend(); ++each)
            if (track_.spans[*each].ended) show_span(track_.spans[*each]);
    }

    void show_span(const timeline::span& span) {
        show_(track_slice{name_of(span), span.is_nursery ? "nursery" : "scope", span.begin, span.end, &span});
    }

    void show_step(std::size_t index, std::size_t boundary) {
        const timeline::step& step = track_.steps[index];
        std::uint64_t piece_begin = step.begin;
        inside_.clear();
        for (; boundary < step.boundaries_end; ++boundary) {
            const auto& [which, opens] = track_.boundaries[boundary];
            const timeline::span& span = track_.spans[which];
            const bool lies_inside = span.first_step == index && span.last_step == index;
            if (lies_inside) {
                if (opens) inside_.push_back(&span);
                continue;
            }
            const std::uint64_t cut = opens ? span.begin : span.end;
            if (cut > piece_begin) show_piece(piece_begin, cut);
            piece_begin = std::max(piece_begin, cut);
            if (opens) show_span(span);
        }
        std::string_view ends = "unfinished";
        if (step.how)
            ends = *step.how == step_end::exited ? "exits" : *step.how == step_end::parked ? "waits" : "yields";
        show_piece(piece_begin, step.end, ends, step.where);
    }

    void show_piece(std::uint64_t begin, std::uint64_t end, std::string_view ends = {}, const char* where = nullptr) {
        show_(track_slice{"step", "step", begin, end, nullptr, ends, where});
        for (const timeline::span* each : inside_) show_span(*each);
        inside_.clear();
    }

    /// From the end of one step to the begin of the next one, or to the end of the run.
    void show_wait(const timeline::step& after, std::uint64_t end, std::optional<std::uint64_t> woken) {
        if (!after.how) return;
        std::uint64_t runnable_from = after.end;
        if (*after.how == step_end::parked) {
            runnable_from = woken ? std::clamp(*woken, after.end, end) : end;
            if (runnable_from > after.end) show_(track_slice{after.where, "wait", after.end, runnable_from});
        }
        if (runnable_from < end) show_(track_slice{"runnable", "wait", runnable_from, end});
    }

    const timeline::track& track_;
    const timeline::run& run_;
    const bool with_waits_;
    Show& show_;
    std::vector<const timeline::span*> inside_;
};

template <class Show>
void for_each_slice(const timeline::track& track, const timeline::run& run, bool with_waits, Show&& show) {
    track_walk<Show>(track, run, with_waits, show).walk();
}

}  // namespace tombolo::kernel
