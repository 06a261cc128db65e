#include "benchmarks/profile/html_style.hpp"
#include "benchmarks/profile/html_text.hpp"
#include "benchmarks/profile/report.hpp"
#include "benchmarks/profile/svg_histogram.hpp"

#include <cstdio>

namespace profile {
namespace {

/// How much of the other one's time the first one takes: "0.72x", or "1/340" where that says more.
std::string as_ratio(double of, double other) {
    const double ratio = of / other;
    char text[64];
    if (ratio < 0.1) {
        std::snprintf(text, sizeof text, "1/%.0f", 1 / ratio);
    } else {
        std::snprintf(text, sizeof text, "%.2fx", ratio);
    }
    return text;
}

std::string tasks_text(int tasks) { return as_count(static_cast<std::size_t>(tasks)) + " tasks"; }

/// The first contender's figure in large, and what it is of every other one's.
std::string card(const std::vector<const measurement*>& row) {
    const measurement& first = *row.front();
    std::string html = "<section class=\"card\"><h3>" + escaped(first.name) + ", " + tasks_text(first.tasks) +
        "</h3><div class=\"big\">" + as_time(first.loop_ns) + "</div><ul>\n";
    for (const measurement* other : row) {
        if (other != &first) {
            html += "<li><span>" + as_ratio(first.loop_ns, other->loop_ns) + " of " + escaped(other->name) +
                "</span><span>" + as_time(other->loop_ns) + "</span></li>\n";
        }
    }
    return html + "</ul></section>\n";
}

std::string cell(const std::string& text) { return "<td>" + escaped(text) + "</td>"; }

std::string table(const std::vector<const measurement*>& rows) {
    std::string html = "<div class=\"scroll\"><table><thead><tr><th></th>";
    for (const char* head : {"in a loop", "p50", "p90", "p99", "p99.9", "max", "mean", "samples"}) {
        html += "<th>" + escaped(head) + "</th>";
    }
    html += "</tr></thead><tbody>\n";
    for (std::size_t i = 0; i < rows.size(); ++i) {
        const measurement& of = *rows[i];
        html += "<tr><td><span class=\"swatch series-" + std::to_string(i) + "\"></span>" + escaped(of.name) + "</td>";
        html += cell(as_time(of.loop_ns));
        for (const double q : {0.5, 0.9, 0.99, 0.999}) {
            html += cell(as_time(of.single.quantile(q)));
        }
        html += cell(as_time(of.single.max())) + cell(as_time(of.single.mean())) + cell(as_count(of.single.samples()));
        html += "</tr>\n";
    }
    return html + "</tbody></table></div>\n";
}

std::string definitions(const description& entries) {
    std::string html = "<dl>\n";
    for (const auto& [label, value] : entries) {
        html += "<dt>" + escaped(label) + "</dt><dd>" + escaped(value) + "</dd>\n";
    }
    return html + "</dl>\n";
}

constexpr const char* reading = R"(<h2>How to read this</h2>
<p><b>One by one</b> (the histograms, the percentiles, max and mean): the cycle counter is read before each hand-over
and again in the task that runs next, with fences that keep the processor from overlapping anything. The cost of
reading it is subtracted. The counter moves in steps; a sample stands for all the times half a step to either side, so
percentiles of a few nanoseconds are good to about half a step.</p>
<p><b>In a loop</b>: the average when nothing is read in between, as in a program; the median of many short stretches. This is
the figure for comparing throughput, the percentiles are those for comparing delays.</p>
<p>Both axes of the histograms are logarithmic: a bar at the bottom line is one hand-over in a million. What lies beyond
some microseconds in the rows of tasks and contexts is the operating system: timer interrupts, other processes, the hypervisor.</p>
)";

}  // namespace

std::string as_html(const report& of) {
    std::string html = "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
                       "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
                       "<title>Switch latency</title>\n<style>";
    html += html_style;
    html += "</style></head><body><main>\n<h1>Switch latency</h1>\n"
            "<p class=\"lead\">How long it takes to hand the thread from one task to the next.</p>\n"
            "<div class=\"cards\">\n";
    for (const int tasks : of.task_counts()) {
        html += card(of.with_tasks(tasks));
    }
    html += "</div>\n<p class=\"note\">Average per hand-over, in a loop.</p>\n";
    for (const int tasks : of.task_counts()) {
        const auto rows = of.with_tasks(tasks);
        html += "<h2>One by one, " + tasks_text(tasks) + "</h2>\n<div class=\"figure\"><div class=\"scroll\">\n";
        html += as_svg(rows) + "</div>\n" + table(rows) + "</div>\n";
    }
    html += reading;
    description contenders;
    for (const measurement* each : of.with_tasks(of.task_counts().front())) {
        contenders.emplace_back(each->name, each->operation);
    }
    html += "<h2>What was measured</h2>\n" + definitions(contenders);
    html += "<h2>Where and how</h2>\n" + definitions(of.setting);
    return html + "</main></body></html>\n";
}

}  // namespace profile
