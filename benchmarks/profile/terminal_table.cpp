#include "benchmarks/profile/report.hpp"

#include <algorithm>

namespace profile {
namespace {

using row = std::vector<std::string>;

row row_of(const measurement& of) {
    return {
        of.name,
        as_time(of.loop_ns),
        as_time(of.single.quantile(0.5)),
        as_time(of.single.quantile(0.9)),
        as_time(of.single.quantile(0.99)),
        as_time(of.single.quantile(0.999)),
        as_time(of.single.max()),
        as_time(of.single.mean()),
        as_count(of.single.samples())};
}

/// The first column to the left, the figures to the right.
std::string aligned(const std::vector<row>& rows, const std::vector<std::size_t>& widths) {
    std::string text;
    for (const row& each : rows) {
        std::string line;
        for (std::size_t column = 0; column < each.size(); ++column) {
            const std::string padding(widths[column] - each[column].size(), ' ');
            line += column == 0 ? each[column] + padding : "  " + padding + each[column];
        }
        text += line + "\n";
    }
    return text;
}

}  // namespace

std::string as_table(const report& of) {
    const row head{"", "in a loop", "p50", "p90", "p99", "p99.9", "max", "mean", "samples"};
    std::vector<std::vector<row>> tables;
    std::vector<std::size_t> widths(head.size());
    for (const int tasks : of.task_counts()) {
        std::vector<row>& table = tables.emplace_back();
        table.push_back(head);
        table.front().front() = std::to_string(tasks) + " tasks";
        for (const measurement* each : of.with_tasks(tasks)) {
            table.push_back(row_of(*each));
        }
        for (const row& line : table) {
            for (std::size_t column = 0; column < line.size(); ++column) {
                widths[column] = std::max(widths[column], line[column].size());
            }
        }
    }
    std::string text = "What it takes to hand the thread to the next task, measured one hand-over at a time\n\n";
    for (const auto& table : tables) {
        text += aligned(table, widths) + "\n";
    }
    std::size_t label_width = 0;
    for (const auto& [label, value] : of.setting) {
        label_width = std::max(label_width, label.size());
    }
    for (const auto& [label, value] : of.setting) {
        text += label + std::string(label_width + 2 - label.size(), ' ') + value + "\n";
    }
    return text;
}

}  // namespace profile
