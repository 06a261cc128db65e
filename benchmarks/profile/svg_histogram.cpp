#include "benchmarks/profile/svg_histogram.hpp"

#include "benchmarks/profile/html_text.hpp"
#include "benchmarks/profile/report.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

namespace profile {
namespace {

constexpr double width = 960;
constexpr double left = 58;
constexpr double right = 14;
constexpr double row_height = 150;
constexpr double title_height = 56;  // of a row's height
constexpr double axis_height = 44;
constexpr double smallest_share = 1e-6;

template <typename... Values>
std::string format(const char* pattern, Values... values) {
    char text[512];
    std::snprintf(text, sizeof text, pattern, values...);
    return text;
}

double x_of(double ns) {
    const double decades = std::log10(std::max(ns, log_buckets::lowest_ns) / log_buckets::lowest_ns);
    return left + (width - left - right) * std::min(1.0, decades / log_buckets::decades);
}

/// The upper edge of a bar, in a row whose baseline is at `baseline`.
double y_of(double share, double baseline) {
    const double height = 1 - std::log10(std::max(share, smallest_share)) / std::log10(smallest_share);
    return baseline - (row_height - title_height) * height;
}

std::string as_share(double share) { return format(share < 0.0001 ? "%.2g%%" : "%.3g%%", share * 100); }

std::string text(const char* style, double x, double y, const char* anchor, const std::string& content) {
    return format("<text class=\"%s\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">", style, x, y, anchor) +
        escaped(content) + "</text>\n";
}

std::string line(const char* style, double x1, double y1, double x2, double y2) {
    return format("<line class=\"%s\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>\n", style, x1, y1, x2, y2);
}

std::string share_axis(double baseline) {
    std::string drawn;
    for (const double share : {1.0, 0.01, 0.0001}) {
        const double y = y_of(share, baseline);
        drawn += line("grid", left, y, width - right, y);
        drawn += text("tick", left - 8, y + 4, "end", as_share(share));
    }
    return drawn + line("axis", left, baseline, width - right, baseline);
}

std::string bars(const measurement& of, std::size_t series, double baseline) {
    const std::vector<double> shares = log_buckets::shares(of.single);
    std::string drawn = format("<g class=\"series-%zu\">\n", series);
    for (int bucket = 0; bucket < log_buckets::count; ++bucket) {
        const double share = shares[static_cast<std::size_t>(bucket)];
        if (share <= smallest_share / 10) {
            continue;
        }
        const double from = log_buckets::edge(bucket);
        const double to = log_buckets::edge(bucket + 1);
        // Even a single sample of a million must be seen.
        const double top = std::min(y_of(share, baseline), baseline - 2);
        drawn += format(
            "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"><title>", x_of(from), top,
            x_of(to) - x_of(from) - 0.8, baseline - top);
        drawn += (bucket == 0 ? "below " + as_time(to) : as_time(from) + " to " + as_time(to)) + ": " +
            as_share(share) + " of the hand-overs</title></rect>\n";
    }
    return drawn + "</g>\n";
}

/// Where the quantiles are, with labels that keep out of each other's way.
std::string quantiles(const measurement& of, double baseline) {
    constexpr double label_width = 84;
    struct mark {
        const char* name;
        double ns;
    };
    const std::array marks{
        mark{"p50", of.single.quantile(0.5)}, mark{"p99", of.single.quantile(0.99)},
        mark{"p99.9", of.single.quantile(0.999)}};
    std::array<double, marks.size()> label_at{};
    for (std::size_t i = 0; i < marks.size(); ++i) {
        label_at[i] = std::max(x_of(marks[i].ns) + 2, i == 0 ? 0 : label_at[i - 1] + label_width);
    }
    double free_until = width;
    for (std::size_t i = marks.size(); i-- > 0;) {
        free_until = label_at[i] = std::min(label_at[i], free_until - label_width);
    }
    std::string drawn;
    const double top = baseline - (row_height - title_height);
    for (std::size_t i = 0; i < marks.size(); ++i) {
        const double x = x_of(marks[i].ns);
        drawn += line("quantile", x, top - 2, x, baseline);
        drawn += text(
            "quantile-label", label_at[i], top - 5, "start", std::string{marks[i].name} + " " + as_time(marks[i].ns));
    }
    return drawn;
}

std::string time_axis(double y, double height) {
    std::string drawn;
    for (int decade = 0; decade <= log_buckets::decades; ++decade) {
        const double ns = log_buckets::lowest_ns * std::pow(10.0, decade);
        drawn += line("grid", x_of(ns), title_height, x_of(ns), height);
        const char* anchor = decade == log_buckets::decades ? "end" : "middle";
        static constexpr const char* labels[] = {"1 ns", "10 ns", "100 ns", "1 us", "10 us", "100 us", "1 ms", "10 ms"};
        static_assert(std::size(labels) == log_buckets::decades + 1 && log_buckets::lowest_ns == 1);
        drawn += text("tick", x_of(ns), y + 18, anchor, labels[decade]);
    }
    return drawn + text("tick", (left + width - right) / 2, y + 38, "middle", "time of one hand-over");
}

}  // namespace

std::string as_svg(const std::vector<const measurement*>& rows) {
    const double bottom = row_height * static_cast<double>(rows.size());
    const double height = bottom + axis_height;
    std::string drawn = format(
        "<svg viewBox=\"0 0 %.0f %.0f\" role=\"img\" aria-label=\"Histograms: how long a hand-over "
        "takes, one row for each library\">\n",
        width, height);
    drawn += time_axis(bottom, bottom);
    for (std::size_t i = 0; i < rows.size(); ++i) {
        const double baseline = row_height * static_cast<double>(i + 1);
        drawn += share_axis(baseline);
        drawn += bars(*rows[i], i, baseline);
        drawn += text("row-title", left, baseline - row_height + 30, "start", rows[i]->name);
        drawn += quantiles(*rows[i], baseline);
    }
    return drawn + "</svg>\n";
}

}  // namespace profile
