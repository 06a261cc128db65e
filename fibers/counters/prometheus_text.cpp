#include <tombolo/fibers/counters.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <concepts>
#include <cstdint>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

namespace tombolo {

namespace {

constexpr std::array<cancel_source, 6> all_sources{
    cancel_source::deadline, cancel_source::explicit_call,      cancel_source::nursery,
    cancel_source::shutdown, cancel_source::keyboard_interrupt, cancel_source::unknown};

bool is_letter(char c) noexcept { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }

bool is_label_name(std::string_view name) noexcept {
    return !name.empty() && is_letter(name.front()) && !name.starts_with("__") &&
        std::ranges::all_of(name, [](char c) { return is_letter(c) || is_digit(c); });
}

void check(const metric_labels& labels) {
    const auto refuse = [](const std::string& name, const char* what) {
        throw invalid_metric_label("write_prometheus: the label name \"" + name + "\" " + what);
    };
    for (std::size_t i = 0; i < labels.size(); ++i) {
        const std::string& name = labels[i].first;
        if (!is_label_name(name))
            refuse(name, "is none; use letters, digits and underscores, and begin with a letter or one underscore");
        if (name == "le" || name == "source") refuse(name, "is one that the metrics use themselves; choose another");
        for (std::size_t j = 0; j < i; ++j)
            if (labels[j].first == name) refuse(name, "is given twice; give each label once");
    }
}

std::string shortest(double value) {
    std::array<char, 32> text;
    const auto end = std::to_chars(text.data(), text.data() + text.size(), value).ptr;
    return {text.data(), end};
}

double seconds(duration length) { return std::chrono::duration<double>(length).count(); }

void append_label(std::string& to, std::string_view name, std::string_view value) {
    if (!to.empty()) to += ',';
    to.append(name).append("=\"");
    for (const char c : value) {
        if (c == '\\')
            to += "\\\\";
        else if (c == '"')
            to += "\\\"";
        else if (c == '\n')
            to += "\\n";
        else
            to += c;
    }
    to += '"';
}

/// The counts of one run, and the labels that all its series carry, as they stand in the text.
struct labelled_run {
    std::string labels;
    counter_statistics counts;
};

class exposition {
public:
    explicit exposition(std::vector<labelled_run> runs) : runs_(std::move(runs)) {}

    std::string write() {
        using counts = counter_statistics;
        counter("runs", "Runs that were watched.", &counts::runs);
        counter("tasks_spawned", "Tasks that were started.", &counts::tasks_spawned);
        counter("tasks_exited", "Tasks that have ended.", &counts::tasks_exited);
        gauge("tasks_living", "Tasks that have not ended.", &counts::tasks_living);
        gauge("tasks_runnable", "Tasks that run or could.", &counts::tasks_runnable);
        counter("steps", "Stretches in which a task ran.", &counts::steps);
        counter("wake_ups", "How often a task became runnable.", &counts::wake_ups);
        scopes_cancelled();
        step_histogram();
        gauge("longest_step_seconds", "The longest step so far.", &counts::longest_step);
        counter("busy_seconds", "Time in which tasks ran.", &counts::busy_time);
        counter("io_waits", "Passes in which the run was ready to wait for events.", &counts::io_waits);
        counter("io_wait_seconds", "Time in which the run waited for events.", &counts::io_wait_time);
        gauge("stacks_in_use", "Stacks that tasks hold.", &counts::stacks_in_use);
        gauge("stacks_in_use_peak", "The most stacks that tasks have held at a time.", &counts::stacks_in_use_peak);
        gauge(
            "run_sync_soon_queue_size", "Calls from other threads that wait for the run.",
            &counts::run_sync_soon_queue_size);
        return std::move(text_);
    }

private:
    static std::string in_words(std::uint64_t value) { return std::to_string(value); }
    static std::string in_words(duration value) { return shortest(seconds(value)); }

    void describe(const std::string& name, std::string_view what, std::string_view type) {
        text_.append("# HELP ").append(name).append(" ").append(what).append("\n");
        text_.append("# TYPE ").append(name).append(" ").append(type).append("\n");
    }

    void sample(const std::string& name, const std::string& labels, const std::string& value) {
        text_ += name;
        if (!labels.empty()) text_.append("{").append(labels).append("}");
        text_.append(" ").append(value).append("\n");
    }

    template <class T>
    void plain(const std::string& name, std::string_view what, std::string_view type, T counter_statistics::* value) {
        describe(name, what, type);
        for (const labelled_run& run : runs_) sample(name, run.labels, in_words(run.counts.*value));
    }

    template <class T>
    void counter(std::string_view name, std::string_view what, T counter_statistics::* value) {
        plain(full(name) + "_total", what, "counter", value);
    }

    template <class T>
    void gauge(std::string_view name, std::string_view what, T counter_statistics::* value) {
        plain(full(name), what, "gauge", value);
    }

    void scopes_cancelled() {
        const std::string name = full("scopes_cancelled") + "_total";
        describe(name, "Cancel scopes that were cancelled, by what cancelled them.", "counter");
        for (const labelled_run& run : runs_)
            for (const cancel_source source : all_sources) {
                std::string labels = run.labels;
                append_label(labels, "source", to_string(source));
                sample(name, labels, in_words(run.counts.scopes_cancelled[static_cast<std::size_t>(source)]));
            }
    }

    void step_histogram() {
        const std::string name = full("step_seconds");
        describe(name, "How long a task ran before it let others run.", "histogram");
        for (const labelled_run& run : runs_) {
            std::uint64_t so_far = 0;
            for (std::size_t i = 0; i < counter_statistics::step_buckets; ++i) {
                so_far += run.counts.steps_by_length[i];
                const bool last = i + 1 == counter_statistics::step_buckets;
                std::string labels = run.labels;
                append_label(labels, "le", last ? "+Inf" : shortest(static_cast<double>(128ULL << i) * 1e-9));
                sample(name + "_bucket", labels, in_words(so_far));
            }
            sample(name + "_sum", run.labels, in_words(run.counts.busy_time));
            sample(name + "_count", run.labels, in_words(so_far));
        }
    }

    static std::string full(std::string_view name) { return std::string("tombolo_").append(name); }

    const std::vector<labelled_run> runs_;
    std::string text_;
};

}  // namespace

void write_prometheus(std::ostream& out, std::span<const labelled_counters> runs) {
    for (const labelled_counters& each : runs) check(each.labels);
    std::vector<labelled_run> read;
    read.reserve(runs.size());
    for (const labelled_counters& each : runs) {
        labelled_run& added = read.emplace_back();
        for (const auto& [name, value] : each.labels) append_label(added.labels, name, value);
        added.counts = each.counters->statistics();
    }
    const std::string text = exposition(std::move(read)).write();
    out.write(text.data(), static_cast<std::streamsize>(text.size()));
}

void run_counters::write_prometheus(std::ostream& out, const metric_labels& labels) const {
    const labelled_counters only{this, labels};
    tombolo::write_prometheus(out, {&only, 1});
}

}  // namespace tombolo
