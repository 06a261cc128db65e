#include "test/fibers/thrown.hpp"
#include "test/support/trace_view.hpp"

#include <tombolo/fibers/checkpoint.hpp>
#include <tombolo/fibers/nursery.hpp>
#include <tombolo/fibers/run.hpp>
#include <tombolo/fibers/timeouts.hpp>
#include <tombolo/fibers/trace.hpp>
#include <tombolo/testing/mock_clock.hpp>
#include <tombolo/testing/test.hpp>
#include <tombolo/testing/wait_all_tasks_blocked.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <system_error>
#include <utility>

#include <unistd.h>

// Traces of several runs and of parts of runs; what is written when; text that needs care.

namespace tombolo::testing {
namespace {

using namespace std::chrono_literals;
using lowlevel::add_instrument;
using lowlevel::remove_instrument;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(trace_runs, one_after_the_other_become_processes_that_do_not_overlap) {
    for (const trace_time time : {trace_time::steady, trace_time::run}) {
        trace_recorder recorder({.time = time});
        for (const char* name : {"first", "second"}) {
            mock_clock clock{{.autojump_threshold = 0s}};
            const auto main = [&] {
                open_nursery([&](nursery& n) { n.start_soon([] { sleep_for(1s); }, {.name = name}); });
            };
            run(main, {.clock = &clock, .instruments = {&recorder}});
        }
        EXPECT_EQ(recorder.statistics().runs, 2U);
        const trace_view seen(recorder);
        EXPECT_EQ(seen.processes.at(1), "run 1");
        EXPECT_EQ(seen.processes.at(2), "run 2");
        EXPECT_EQ(seen.track("first").pid, 1);
        EXPECT_EQ(seen.track("second").pid, 2);
        std::int64_t end_of_first = 0;
        std::int64_t begin_of_second = INT64_MAX;
        for (const auto& slice : seen.slices) {
            if (slice.track.pid == 1) end_of_first = std::max(end_of_first, slice.end);
            if (slice.track.pid == 2) begin_of_second = std::min(begin_of_second, slice.begin);
        }
        EXPECT_LE(end_of_first, begin_of_second);
        EXPECT_GT(end_of_first, 0);
    }
}

TOMBOLO_TEST(trace_runs, that_are_joined_late_are_shown_from_then_on) {
    trace_recorder recorder({.time = trace_time::run});
    open_nursery([&](nursery& n) {
        n.start_soon([] { sleep_for(2s); }, {.name = "older"});
        sleep_for(1s);
        add_instrument(&recorder);
        n.start_soon([] { sleep_for(3s); }, {.name = "younger"});
        sleep_for(1s);
    });
    remove_instrument(recorder);
    const trace_view seen(recorder);
    EXPECT_EQ(seen.processes.at(1), "run 1 (from later on)");
    EXPECT_EQ(seen.slices_on(seen.track("older"), "step").size(), 1U) << "its end";
    EXPECT_EQ(seen.slices_on(seen.track("younger"), "step").size(), 2U);
    const auto spans = seen.slices_on(seen.track(lowlevel::current_task().name()), "nursery");
    ASSERT_FALSE(spans.empty());
    EXPECT_TRUE(spans[0].args["began_before_the_trace"].boolean());
    ASSERT_FALSE(seen.counters.empty());
    EXPECT_GE(seen.counters.front()["args"]["living"].number(), 4) << "older tasks are counted";
    EXPECT_EQ(seen.arrows_between(seen.track(lowlevel::current_task().name()), seen.track("younger")).size(), 1U)
        << "the step in the middle of which it came is shown";
}

TOMBOLO_TEST(trace_runs, can_be_left_and_joined_again_anywhere) {
    trace_recorder recorder;
    for (int i = 0; i < 5; ++i) {
        add_instrument(&recorder);
        if (i % 2 == 0) checkpoint();
        open_nursery([&](nursery& n) {
            n.start_soon([] { checkpoint(); });
            if (i == 3) remove_instrument(recorder);
        });
        if (i != 3) remove_instrument(recorder);
        checkpoint();
    }
    EXPECT_EQ(recorder.statistics().runs, 5U);
    const trace_view seen(recorder);
    EXPECT_EQ(seen.processes.size(), 5U);
}

TEST(trace_runs, whose_main_task_installs_the_recorder_and_ends_at_once_are_sound) {
    trace_recorder recorder;
    run([&] { add_instrument(&recorder); });
    run([&] { add_instrument(&recorder); }, {.instruments = {}});
    const trace_view seen(recorder);
    EXPECT_EQ(seen.processes.size(), 2U);
    EXPECT_EQ(seen.slices.empty(), false);
}

TOMBOLO_TEST(trace_file, written_in_the_middle_shows_what_is_under_way) {
    trace_recorder recorder;
    add_instrument(&recorder);
    checkpoint();
    open_nursery([&](nursery& n) {
        n.start_soon([] { sleep_forever(); }, {.name = "sleeper"});
        wait_all_tasks_blocked();
        const trace_view seen(recorder);
        const auto main = seen.track(lowlevel::current_task().name());
        const auto steps = seen.slices_on(main, "step");
        ASSERT_FALSE(steps.empty());
        EXPECT_EQ(steps.back().text("ends"), "unfinished");
        const auto spans = seen.slices_on(main, "nursery");
        ASSERT_EQ(spans.size(), 1U);
        EXPECT_TRUE(spans[0].args["still_open"].boolean());
        const auto waits = seen.slices_on(seen.track("sleeper"), "wait");
        ASSERT_FALSE(waits.empty());
        EXPECT_EQ(waits.back().name, "sleep_forever");
        n.cancel_scope().cancel();
    });
    remove_instrument(recorder);
    const trace_view seen(recorder);
    const auto spans = seen.slices_on(seen.track(lowlevel::current_task().name()), "nursery");
    ASSERT_EQ(spans.size(), 1U);
    EXPECT_FALSE(spans[0].args.has("still_open")) << "writing has changed nothing";
}

TEST(trace_file, of_nothing_is_a_trace_too) {
    const trace_recorder recorder;
    const trace_view seen(recorder);
    EXPECT_THAT(seen.document["traceEvents"].items(), IsEmpty());
}

TEST(trace_file, keeps_names_and_reasons_whatever_they_are_made_of) {
    const std::string odd =
        "a \"quoted\" \\ back\nslash\ttab \x01 \x7f Gr\xC3\xBC\xC3\x9F \xE2\x82\xAC \xF0\x9F\x8F\x9D";
    trace_recorder recorder;
    run(
        [&] {
            open_nursery([&](nursery& n) {
                n.start_soon([] { checkpoint(); }, {.name = odd});
                n.cancel_scope().cancel(odd);
            });
        },
        {.instruments = {&recorder}});
    const trace_view seen(recorder);
    EXPECT_GT(seen.track(odd).tid, 0);
    EXPECT_EQ(seen.slices_on(seen.track("main"), "nursery")[0].text("reason"), odd);
}

TEST(trace_file, replaces_bytes_that_are_no_text) {
    struct sample {
        const char* name;
        const char* shown;
    };
    const std::string r = "\xEF\xBF\xBD";
    const std::pair<std::string, std::string> samples[] = {
        {"lone \x80", "lone " + r},
        {"cut \xE2\x82", "cut " + r + r},
        {"overlong \xC0\xAF", "overlong " + r + r},
        {"half \xED\xA0\x80", "half " + r + r + r},
        {"far \xF4\x90\x80\x80", "far " + r + r + r + r},
        {"\xFFx", r + "x"}};
    for (const auto& [name, shown] : samples) {
        trace_recorder recorder;
        run([&] { open_nursery([&](nursery& n) { n.start_soon([] {}, {.name = name}); }); },
            {.instruments = {&recorder}});
        EXPECT_GT(trace_view(recorder).track(shown).tid, 0) << shown;
    }
}

TEST(trace_file, cuts_long_names_between_characters) {
    std::string name;
    for (int i = 0; i < 1000; ++i) name += "\xE2\x82\xAC";
    trace_recorder recorder({.bytes = std::size_t{64} << 10});
    run(
        [&] {
            open_nursery([&](nursery& n) {
                n.start_soon([] {}, {.name = name});
                n.cancel_scope().cancel(name);
            });
        },
        {.instruments = {&recorder}});
    const trace_view seen(recorder);
    EXPECT_GT(seen.track(name.substr(0, 510)).tid, 0);
    const std::string reason = seen.slices_on(seen.track("main"), "nursery")[0].text("reason");
    EXPECT_GT(reason.size(), 400U);
    EXPECT_EQ(reason.size() % 3, 0U);
}

TEST(trace_file, is_replaced_when_it_is_written) {
    const std::string path =
        (std::filesystem::temp_directory_path() / ("tombolo_trace_" + std::to_string(::getpid()))).string();
    std::ofstream(path) << std::string(1 << 20, 'x');
    trace_recorder recorder;
    run([] { checkpoint(); }, {.instruments = {&recorder}});
    recorder.write_file(path);
    std::ostringstream text;
    text << std::ifstream(path).rdbuf();
    std::filesystem::remove(path);
    EXPECT_FALSE(trace_view(text.str()).slices.empty());
}

TEST(trace_file, that_cannot_be_written_is_named) {
    const trace_recorder recorder;
    try {
        recorder.write_file("/no such folder/trace.json");
        FAIL() << "it was written";
    } catch (const std::system_error& error) {
        EXPECT_EQ(error.code(), std::errc::no_such_file_or_directory);
        EXPECT_THAT(error.what(), HasSubstr("/no such folder/trace.json"));
    }
    if (std::filesystem::exists("/dev/full")) {
        EXPECT_THROW(recorder.write_file("/dev/full"), std::system_error);
    }
}

TEST(trace_recorder, refuses_to_work_with_too_little_memory) {
    const auto make = [](std::size_t bytes) { return [bytes] { trace_recorder recorder({.bytes = bytes}); }; };
    EXPECT_THAT(text_of<usage_error>(make(0)), AllOf(HasSubstr(".bytes is 0"), HasSubstr("at least 65536")));
    EXPECT_THAT(text_of<usage_error>(make(65535)), HasSubstr(".bytes is 65535"));
    make(65536)();
}

}  // namespace
}  // namespace tombolo::testing
