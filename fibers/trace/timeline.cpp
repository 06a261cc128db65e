#include "fibers/trace/timeline.hpp"

#include <algorithm>
#include <typeinfo>
#include <utility>

namespace tombolo::kernel {

namespace {

template <class T>
T* pointer_of(std::uint64_t bits) noexcept {
    return reinterpret_cast<T*>(static_cast<std::uintptr_t>(bits));
}

class timeline_reader {
public:
    explicit timeline_reader(const trace_log& log) : log_(log), scale_(log.scale()) {
        read_.dropped = log.pages().dropped();
    }

    timeline read() {
        log_.pages().for_each(
            [this](const trace_pages::page_head& head) { begin_page(head.run); },
            [this](const trace_record& record) { take(record); });
        if (log_.actor() != 0 && log_.actor() <= actors_.size()) finish_open_step();
        finish_run();
        return std::move(read_);
    }

private:
    using track = timeline::track;
    using span = timeline::span;

    struct place {
        std::size_t track;
        std::size_t span;
    };

    timeline::run& run() { return read_.runs.back(); }
    track* actor(const trace_record& record) {
        return record.actor == 0 || record.actor > actors_.size() ? nullptr : &run().tracks[actors_[record.actor - 1]];
    }

    void begin_page(std::uint64_t run_number) {
        actors_.clear();
        if (run_number != 0 && read_.runs.empty()) begin_run(run_number, false);
    }

    void begin_run(std::uint64_t number, bool from_its_begin) {
        finish_run();
        read_.runs.emplace_back();
        run().number = number;
        run().from_its_begin = from_its_begin;
    }

    void saw(std::uint64_t time) {
        run().begin = std::min(run().begin, time);
        run().end = std::max(run().end, time);
    }

    void take(const trace_record& record) {
        if (record.kind == record_kind::run_began) begin_run(record.a, record.detail == 0);
        if (record.kind == record_kind::task) return introduce(record);
        const std::uint64_t time = scale_.since_origin(record.time);
        saw(time);
        switch (record.kind) {
        case record_kind::step:
            return take_step(record, time);
        case record_kind::wake:
        case record_kind::spawn:
            return take_arrow(record, time);
        case record_kind::idle:
            return take_loop_slice(record, time, record.b);
        case record_kind::delivery:
            return take_loop_slice(record, time, std::nullopt);
        case record_kind::sample:
            return run().samples.push_back({time, record.a, record.b});
        case record_kind::nursery_open:
        case record_kind::nursery_entered:
        case record_kind::scope_entered:
            return open_span(record, time);
        case record_kind::nursery_exited:
        case record_kind::scope_exited:
            return close_span(record, time);
        case record_kind::scope_cancelled:
            return cancel_span(record, time);
        case record_kind::task:
        case record_kind::run_began:
            return;
        }
    }

    void introduce(const trace_record& record) {
        const auto [known, is_new] = run().track_of.try_emplace(record.a, run().tracks.size());
        if (is_new) {
            run().tracks.emplace_back();
            run().tracks.back().task = record.a;
            run().tracks.back().name = record.text_size != 0 ? std::string(record.text()) : type_name(record.b);
        }
        actors_.push_back(known->second);
    }

    const std::string& type_name(std::uint64_t type) {
        const auto [known, is_new] = type_names_.try_emplace(type);
        if (is_new) known->second = lowlevel::task_label{{}, pointer_of<const std::type_info>(type)}.to_string();
        return known->second;
    }

    void take_step(const trace_record& record, std::uint64_t time) {
        track* of = actor(record);
        const std::uint64_t end = scale_.since_origin(record.time + record.a);
        saw(end);
        if (of == nullptr) return;
        of->steps.push_back(
            {time, end, pointer_of<const char>(record.b), static_cast<step_end>(record.detail), of->boundaries.size()});
    }

    /// Steps are recorded when they end: the next one to be recorded is under way, or the next that is made.
    void take_arrow(const trace_record& record, std::uint64_t time) {
        const track* from = actor(record);
        const auto to = run().track_of.find(record.a);
        timeline::arrow& taken = run().arrows.emplace_back();
        taken.time = time;
        if (from != nullptr) taken.from = actors_[record.actor - 1];
        taken.from_slice = from != nullptr ? from->steps.size() : run().loop.size();
        taken.to = record.a;
        taken.to_step = to != run().track_of.end() ? run().tracks[to->second].steps.size() : 0;
        taken.spawns = record.kind == record_kind::spawn;
    }

    /// The one in the middle of which the trace is written.
    void finish_open_step() {
        const std::uint64_t begin = scale_.since_origin(log_.step_began());
        saw(begin);
        track& of = run().tracks[actors_[log_.actor() - 1]];
        of.steps.push_back({begin, run().end, nullptr, std::nullopt, of.boundaries.size()});
    }

    void take_loop_slice(const trace_record& record, std::uint64_t time, std::optional<std::uint64_t> longest) {
        const std::uint64_t end = scale_.since_origin(record.time + record.a);
        saw(end);
        run().loop.push_back({time, end, longest});
    }

    void open_span(const trace_record& record, std::uint64_t time) {
        track* on = actor(record);
        if (on == nullptr) return;
        const bool found_open = record.kind == record_kind::nursery_open;
        const place here{actors_[record.actor - 1], on->spans.size()};
        if (found_open && open_.contains(record.a)) return;
        open_[record.a] = here;
        span& opened = on->spans.emplace_back();
        opened.is_nursery = record.kind != record_kind::scope_entered;
        opened.begin = time;
        on->open.push_back(here.span);
        if (found_open) return on->earlier.push_back(here.span);
        if (!opened.is_nursery) {
            opened.to_deadline = record.b;
            opened.shielded = record.detail != 0;
        }
        opened.first_step = on->steps.size();
        on->boundaries.push_back({here.span, true});
    }

    void close_span(const trace_record& record, std::uint64_t time) {
        track* on = actor(record);
        if (on == nullptr) return;
        const auto known = open_.find(record.a);
        std::size_t index = on->spans.size();
        if (known != open_.end() && known->second.track == actors_[record.actor - 1]) {
            index = known->second.span;
            std::erase(on->open, index);
        } else {
            on->spans.emplace_back().is_nursery = record.kind == record_kind::nursery_exited;
            on->earlier.push_back(index);
        }
        if (known != open_.end()) open_.erase(known);
        span& closed = on->spans[index];
        closed.end = time;
        closed.ended = true;
        closed.absorbed = record.detail != 0;
        closed.last_step = on->steps.size();
        if (closed.first_step == timeline::nothing) move_to_back(on->earlier, index);
        on->boundaries.push_back({index, false});
    }

    static void move_to_back(std::vector<std::size_t>& order, std::size_t which) {
        std::erase(order, which);
        order.push_back(which);
    }

    void cancel_span(const trace_record& record, std::uint64_t time) {
        const std::string_view text = record.text();
        const std::size_t zero = text.find('\0');
        timeline::cancellation cancel{
            time, record.detail, std::string(text.substr(0, zero)), std::string(text.substr(zero + 1))};
        const auto known = open_.find(record.a);
        if (known == open_.end()) return run().root_cancels.push_back(std::move(cancel));
        run().tracks[known->second.track].spans[known->second.span].cancel = std::move(cancel);
    }

    /// What is still open ends with what is known of the run; what was open before begins with it.
    void finish_run() {
        actors_.clear();
        open_.clear();
        if (read_.runs.empty()) return;
        timeline::run& done = run();
        if (done.begin > done.end) return read_.runs.pop_back();  // cleared before anything happened
        for (track& each : done.tracks) finish_track(each, done);
        for (const timeline::arrow& each : done.arrows) {
            const auto to = done.track_of.find(each.to);
            if (to == done.track_of.end()) continue;
            track& woken = done.tracks[to->second];
            (each.to_step < woken.steps.size() ? woken.steps[each.to_step].woken : woken.woken) = each.time;
        }
    }

    static void finish_track(track& of, const timeline::run& in) {
        const std::size_t covered = of.steps.empty() ? 0 : of.steps.back().boundaries_end;
        if (covered < of.boundaries.size()) {
            // The recorder was taken away in the middle of this step.
            const auto time = [&](const timeline::boundary& b) {
                return b.opens ? of.spans[b.span].begin : of.spans[b.span].end;
            };
            of.steps.push_back(
                {time(of.boundaries[covered]), time(of.boundaries.back()), nullptr, std::nullopt,
                 of.boundaries.size()});
        }
        for (span& each : of.spans) {
            if (each.first_step == timeline::nothing) each.begin = in.begin;
            if (!each.ended) each.end = in.end;
        }
    }

    const trace_log& log_;
    const tick_scale scale_;
    timeline read_;
    std::vector<std::size_t> actors_;                ///< tracks, by the number of the task in the page
    std::unordered_map<std::uint64_t, place> open_;  ///< by the address of the scope
    std::unordered_map<std::uint64_t, std::string> type_names_;
};

}  // namespace

timeline read_timeline(const trace_log& log) { return timeline_reader(log).read(); }

}  // namespace tombolo::kernel
