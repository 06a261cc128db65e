#include "test/fibers/thrown.hpp"

#include <tombolo/fibers/checkpoint.hpp>
#include <tombolo/fibers/counters.hpp>
#include <tombolo/fibers/nursery.hpp>
#include <tombolo/fibers/run.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <vector>

// The text format of Prometheus, read back by its rules:
// https://prometheus.io/docs/instrumenting/exposition_formats/

namespace tombolo::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

struct series {
    std::string name;
    std::map<std::string, std::string> labels;
    double value = 0;
};

/// Reads an exposition, and fails the test where it breaks a rule.
class exposition {
public:
    explicit exposition(const std::string& text) {
        EXPECT_TRUE(text.ends_with('\n'));
        std::istringstream lines(text);
        for (std::string line; std::getline(lines, line);) {
            if (line.starts_with("# HELP "))
                describe(helps, line.substr(7));
            else if (line.starts_with("# TYPE "))
                describe(types, line.substr(7));
            else
                read(line);
        }
        for (const auto& [name, type] : types) EXPECT_TRUE(helps.contains(name)) << name;
        for (const auto& [name, type] : types)
            if (type == "counter") {
                EXPECT_TRUE(name.ends_with("_total")) << name;
            }
    }

    double value(const std::string& name, const std::map<std::string, std::string>& labels = {}) const {
        for (const series& each : all)
            if (each.name == name && each.labels == labels) return each.value;
        ADD_FAILURE() << "there is no series " << name;
        return std::nan("");
    }

    std::map<std::string, std::string> helps;
    std::map<std::string, std::string> types;
    std::vector<series> all;

private:
    static void describe(std::map<std::string, std::string>& what, const std::string& rest) {
        const std::size_t space = rest.find(' ');
        ASSERT_NE(space, std::string::npos) << rest;
        EXPECT_TRUE(what.emplace(rest.substr(0, space), rest.substr(space + 1)).second) << "twice: " << rest;
    }

    /// The metric that a series belongs to.
    std::string family(const std::string& name) const {
        for (const char* suffix : {"_bucket", "_sum", "_count"})
            if (name.ends_with(suffix)) {
                const std::string base = name.substr(0, name.size() - std::string(suffix).size());
                if (const auto type = types.find(base); type != types.end() && type->second == "histogram") return base;
            }
        return name;
    }

    void read(const std::string& line) {
        series read;
        std::size_t at = line.find_first_of("{ ");
        ASSERT_NE(at, std::string::npos) << line;
        read.name = line.substr(0, at);
        const std::string belongs_to = family(read.name);
        EXPECT_TRUE(types.contains(belongs_to)) << "no TYPE before " << line;
        if (belongs_to != last_family_) {
            EXPECT_TRUE(finished_.insert(belongs_to).second) << "the lines of a metric are apart: " << line;
        }
        last_family_ = belongs_to;
        if (line[at] == '{') at = read_labels(line, at + 1, read.labels);
        ASSERT_EQ(line[at], ' ') << line;
        char* end = nullptr;
        read.value = std::strtod(line.c_str() + at + 1, &end);
        EXPECT_EQ(*end, '\0') << line;
        EXPECT_TRUE(seen_.emplace(read.name, read.labels).second) << "the same series twice: " << line;
        all.push_back(std::move(read));
    }

    static std::size_t read_labels(
        const std::string& line, std::size_t at, std::map<std::string, std::string>& labels) {
        for (;;) {
            const std::size_t equals = line.find("=\"", at);
            if (equals == std::string::npos) break;
            const std::string name = line.substr(at, equals - at);
            std::string value;
            for (at = equals + 2; at < line.size() && line[at] != '"'; ++at) {
                if (line[at] == '\\') ++at;
                const bool escaped = line[at - 1] == '\\';
                value += escaped && line[at] == 'n' ? '\n' : line[at];
            }
            EXPECT_TRUE(labels.emplace(name, value).second) << "a label twice: " << line;
            ++at;
            if (line[at] == '}') return at + 1;
            EXPECT_EQ(line[at], ',') << line;
            ++at;
        }
        ADD_FAILURE() << "labels without an end: " << line;
        return line.size();
    }

    std::set<std::pair<std::string, std::map<std::string, std::string>>> seen_;
    std::set<std::string> finished_;
    std::string last_family_;
};

void small_program() {
    open_nursery([](nursery& n) {
        for (int i = 0; i < 5; ++i) n.start_soon([] { checkpoint(); });
        n.cancel_scope().cancel();
    });
}

std::string written(const run_counters& counters, const metric_labels& labels = {}) {
    std::ostringstream out;
    counters.write_prometheus(out, labels);
    return out.str();
}

TEST(prometheus_text, has_every_value_under_its_name) {
    run_counters counters;
    run(small_program, {.instruments = {&counters}});
    const counter_statistics counted = counters.statistics();
    const exposition read(written(counters));
    const auto as_double = [](auto value) { return static_cast<double>(value); };
    EXPECT_EQ(read.value("tombolo_runs_total"), 1);
    EXPECT_EQ(read.value("tombolo_tasks_spawned_total"), 7);
    EXPECT_EQ(read.value("tombolo_tasks_exited_total"), 8);
    EXPECT_EQ(read.value("tombolo_tasks_living"), 0);
    EXPECT_EQ(read.value("tombolo_tasks_runnable"), 0);
    EXPECT_EQ(read.value("tombolo_steps_total"), as_double(counted.steps));
    EXPECT_EQ(read.value("tombolo_wake_ups_total"), as_double(counted.wake_ups));
    EXPECT_EQ(read.value("tombolo_scopes_cancelled_total", {{"source", "explicit call"}}), 1);
    EXPECT_EQ(read.value("tombolo_scopes_cancelled_total", {{"source", "shutdown"}}), 2);
    EXPECT_EQ(read.value("tombolo_scopes_cancelled_total", {{"source", "deadline"}}), 0);
    EXPECT_DOUBLE_EQ(read.value("tombolo_busy_seconds_total"), as_double(counted.busy_time.count()) * 1e-9);
    EXPECT_DOUBLE_EQ(read.value("tombolo_longest_step_seconds"), as_double(counted.longest_step.count()) * 1e-9);
    EXPECT_EQ(read.value("tombolo_io_waits_total"), as_double(counted.io_waits));
    EXPECT_DOUBLE_EQ(read.value("tombolo_io_wait_seconds_total"), as_double(counted.io_wait_time.count()) * 1e-9);
    EXPECT_EQ(read.value("tombolo_stacks_in_use"), as_double(counted.stacks_in_use));
    EXPECT_EQ(read.value("tombolo_stacks_in_use_peak"), as_double(counted.stacks_in_use_peak));
    EXPECT_EQ(read.value("tombolo_run_sync_soon_queue_size"), 0);
    EXPECT_EQ(read.types.at("tombolo_tasks_living"), "gauge");
    EXPECT_EQ(read.types.at("tombolo_steps_total"), "counter");
}

TEST(prometheus_text, has_a_histogram_of_step_lengths) {
    run_counters counters;
    run(small_program, {.instruments = {&counters}});
    const exposition read(written(counters));
    EXPECT_EQ(read.types.at("tombolo_step_seconds"), "histogram");
    double last_bound = 0;
    double last_count = 0;
    std::size_t buckets = 0;
    for (const series& each : read.all) {
        if (each.name != "tombolo_step_seconds_bucket") continue;
        const std::string bound_text = each.labels.at("le");
        const double bound = std::strtod(bound_text.c_str(), nullptr);
        EXPECT_GT(bound, last_bound) << bound_text;
        EXPECT_GE(each.value, last_count) << "buckets are cumulative";
        last_bound = bound;
        last_count = each.value;
        ++buckets;
    }
    EXPECT_EQ(buckets, counter_statistics::step_buckets);
    EXPECT_TRUE(std::isinf(last_bound)) << "the last one counts all";
    EXPECT_EQ(read.value("tombolo_step_seconds_count"), last_count);
    EXPECT_EQ(last_count, static_cast<double>(counters.statistics().steps));
    EXPECT_DOUBLE_EQ(read.value("tombolo_step_seconds_sum"), read.value("tombolo_busy_seconds_total"));
}

TEST(prometheus_text, carries_the_labels_on_every_series_whatever_they_say) {
    const run_counters counters;
    const std::map<std::string, std::string> labels{{"run", "a \"b\" \\ c\nd"}, {"_zone2", "Gr\xC3\xBC\xC3\x9F"}};
    const exposition read(written(counters, {labels.begin(), labels.end()}));
    ASSERT_GT(read.all.size(), 40U);
    for (const series& each : read.all)
        for (const auto& [name, value] : labels) EXPECT_EQ(each.labels.at(name), value) << each.name;
}

TEST(prometheus_text, of_several_runs_describes_each_metric_once) {
    const run_counters first;
    run_counters second;
    run(small_program, {.instruments = {&second}});
    const labelled_counters runs[] = {{&first, {{"run", "first"}}}, {&second, {{"run", "second"}}}};
    std::ostringstream out;
    write_prometheus(out, runs);
    const exposition read(out.str());
    EXPECT_EQ(read.value("tombolo_runs_total", {{"run", "first"}}), 0);
    EXPECT_EQ(read.value("tombolo_runs_total", {{"run", "second"}}), 1);
}

TEST(prometheus_text, refuses_labels_that_prometheus_would_not_take) {
    const run_counters counters;
    for (const char* name : {"", "1st", "a-b", "__name", "a b", "Gr\xC3\xBC", "le", "source"}) {
        std::ostringstream out;
        EXPECT_THROW(counters.write_prometheus(out, {{"fine", "x"}, {name, "x"}}), invalid_metric_label) << name;
        EXPECT_THAT(out.str(), IsEmpty()) << name;
    }
    const auto twice = [&] { written(counters, {{"run", "a"}, {"run", "b"}}); };
    EXPECT_THAT(text_of<invalid_metric_label>(twice), AllOf(HasSubstr("\"run\""), HasSubstr("give each label once")));
}

}  // namespace
}  // namespace tombolo::testing
