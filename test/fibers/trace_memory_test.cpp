#include "test/support/trace_view.hpp"

#include <tombolo/fibers/checkpoint.hpp>
#include <tombolo/fibers/nursery.hpp>
#include <tombolo/fibers/run.hpp>
#include <tombolo/fibers/timeouts.hpp>
#include <tombolo/fibers/trace.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>

#include <malloc.h>

// What becomes of a trace when its memory is full.

namespace tombolo::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr std::size_t least = std::size_t{64} << 10;

/// Children come and go, one after the other, named "child 0" and so on.
void children(int count) {
    for (int i = 0; i < count; ++i)
        open_nursery([&](nursery& n) { n.start_soon([] { checkpoint(); }, {.name = "child " + std::to_string(i)}); });
}

std::set<std::string> task_names(const trace_view& seen) {
    std::set<std::string> all;
    for (const auto& [track, name] : seen.names) all.insert(seen.name_of(track));
    return all;
}

TEST(trace_memory, that_is_full_drops_the_oldest_and_says_how_much) {
    trace_recorder recorder({.bytes = least});
    run([] { children(2000); }, {.instruments = {&recorder}});
    const trace_statistics statistics = recorder.statistics();
    EXPECT_GT(statistics.dropped, 5000U);
    EXPECT_GT(statistics.recorded, 1000U) << "most of the memory is in use";
    const trace_view seen(recorder);
    EXPECT_EQ(seen.dropped, statistics.dropped);
    const auto said =
        std::ranges::find_if(seen.notes, [](const auto& note) { return note.event["s"].string() == "g"; });
    ASSERT_NE(said, seen.notes.end());
    EXPECT_THAT(said->name, HasSubstr(std::to_string(statistics.dropped) + " older events were dropped"));
    const auto names = task_names(seen);
    EXPECT_FALSE(names.contains("child 0"));
    EXPECT_TRUE(names.contains("child 1999"));
    EXPECT_TRUE(names.contains("main")) << "it began before what is kept, and still has its name";
}

TEST(trace_memory, that_is_not_full_drops_nothing) {
    trace_recorder recorder;
    run([] { children(100); }, {.instruments = {&recorder}});
    EXPECT_EQ(recorder.statistics().dropped, 0U);
    const trace_view seen(recorder);
    EXPECT_EQ(seen.dropped, 0U);
    EXPECT_THAT(
        seen.notes, ::testing::Each(::testing::Field(&trace_view::note::name, HasSubstr("cancelled: shutdown"))));
    EXPECT_EQ(task_names(seen).size(), 104U);
}

TEST(trace_memory, loses_nothing_where_one_page_ends_and_the_next_begins) {
    constexpr int yields = 1000;
    trace_recorder recorder({.bytes = least});
    const auto main = [] {
        move_on_after(std::chrono::hours(1), [] {
            for (int i = 0; i < yields; ++i) checkpoint();
        });
        children(30);
    };
    run(main, {.instruments = {&recorder}});
    ASSERT_EQ(recorder.statistics().dropped, 0U);
    ASSERT_GT(recorder.statistics().recorded, 1000U) << "of about 1900 that there is room for, in 16 pages";
    const trace_view seen(recorder);
    const auto main_track = seen.track("main");
    const auto whole_steps = [&](trace_view::track_id track) {
        const auto steps = seen.slices_on(track, "step");
        return std::ranges::count_if(steps, [](const auto& step) { return step.args.has("ends"); });
    };
    EXPECT_EQ(whole_steps(main_track), yields + 30 + 1);
    for (int i = 0; i < 30; ++i) {
        const auto child = seen.track("child " + std::to_string(i));
        EXPECT_EQ(whole_steps(child), 2);
        EXPECT_EQ(seen.arrows_between(main_track, child).size(), 1U);
        EXPECT_EQ(seen.arrows_between(child, main_track).size(), 1U);
    }
    EXPECT_EQ(seen.slices_on(main_track, "nursery").size(), 30U);
    const auto scopes = seen.slices_on(main_track, "scope");
    ASSERT_EQ(scopes.size(), 1U);
    EXPECT_FALSE(scopes[0].args.has("began_before_the_trace"));
}

TEST(trace_memory, counts_every_event_once_kept_or_dropped) {
    const auto recorded = [](std::size_t bytes) {
        trace_recorder recorder({.bytes = bytes});
        run([] { children(2000); }, {.instruments = {&recorder}});
        return recorder.statistics();
    };
    const trace_statistics large = recorded(std::size_t{8} << 20);
    const trace_statistics small = recorded(least);
    EXPECT_EQ(large.dropped, 0U);
    // The small one repeats its counters and open nurseries in each page.
    const std::uint64_t all = small.recorded + small.dropped;
    EXPECT_GE(all, large.recorded);
    EXPECT_LE(all, large.recorded + large.recorded / 20);
}

TEST(trace_memory, shows_a_nursery_that_was_opened_before_what_is_kept) {
    trace_recorder recorder({.bytes = least});
    const auto main = [] {
        open_nursery([](nursery&) {
            open_nursery([](nursery&) {
                for (int i = 0; i < 20'000; ++i) checkpoint();
            });
        });
    };
    run(main, {.instruments = {&recorder}});
    ASSERT_GT(recorder.statistics().dropped, 0U);
    const trace_view seen(recorder);
    const auto spans = seen.slices_on(seen.track("main"), "nursery");
    ASSERT_EQ(spans.size(), 2U);
    EXPECT_EQ(spans[0].depth, 0U);
    EXPECT_EQ(spans[1].depth, 1U);
    EXPECT_GE(spans[0].end, spans[1].end);
    for (const auto& span : spans) {
        EXPECT_TRUE(span.args["began_before_the_trace"].boolean());
        EXPECT_FALSE(span.args.has("still_open"));
    }
}

TEST(trace_memory, shows_a_scope_that_was_entered_before_what_is_kept) {
    trace_recorder recorder({.bytes = least});
    const auto main = [] {
        move_on_after(std::chrono::hours(1), [] {
            for (int i = 0; i < 20'000; ++i) checkpoint();
        });
    };
    run(main, {.instruments = {&recorder}});
    const trace_view seen(recorder);
    const auto scopes = seen.slices_on(seen.track("main"), "scope");
    ASSERT_EQ(scopes.size(), 1U);
    EXPECT_TRUE(scopes[0].args["began_before_the_trace"].boolean());
}

TEST(trace_memory, is_no_more_than_was_asked_for) {
    for (const std::size_t bytes : {least, least + 1, 3 * least, std::size_t{1} << 20}) {
        const trace_recorder recorder({.bytes = bytes});
        EXPECT_LE(recorder.statistics().bytes, bytes);
        EXPECT_GT(recorder.statistics().bytes, bytes * 9 / 10);
    }
}

TEST(trace_memory, does_not_grow_while_recording) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    GTEST_SKIP() << "the sanitizer has its own heap";
#else
    const auto heap_in_use = [] {
        const struct mallinfo2 info = ::mallinfo2();
        return info.uordblks + info.hblkhd;
    };
    const std::size_t bytes = std::size_t{1} << 20;
    const std::size_t at_first = heap_in_use();
    trace_recorder recorder({.bytes = bytes});
    const std::size_t with_recorder = heap_in_use();
    EXPECT_LE(with_recorder - at_first, bytes + 4096) << "all of it is taken at once";
    run(
        [&] {
            children(1000);
            const std::size_t before = heap_in_use();
            children(50'000);
            EXPECT_LE(heap_in_use(), before + 4096);
        },
        {.instruments = {&recorder}});
    EXPECT_GT(recorder.statistics().dropped, 100'000U);
#endif
}

TEST(trace_memory, can_be_cleared_in_the_middle_of_a_run) {
    trace_recorder recorder;
    const auto main = [&] {
        children(3);
        recorder.clear();
        EXPECT_EQ(recorder.statistics().recorded, 0U);
        open_nursery([](nursery& n) { n.start_soon([] { checkpoint(); }, {.name = "later"}); });
    };
    run(main, {.instruments = {&recorder}});
    const trace_view seen(recorder);
    const auto names = task_names(seen);
    EXPECT_FALSE(names.contains("child 0"));
    EXPECT_TRUE(names.contains("later"));
    EXPECT_EQ(seen.arrows_between(seen.track("main"), seen.track("later")).size(), 1U);
    EXPECT_EQ(seen.processes.at(1), "run 1 (from later on)");
}

TEST(trace_memory, cleared_between_runs_holds_the_next_one_only) {
    trace_recorder recorder;
    run([] { children(3); }, {.instruments = {&recorder}});
    recorder.clear();
    EXPECT_THAT(trace_view(recorder).slices, IsEmpty());
    run([] {}, {.instruments = {&recorder}});
    const trace_view seen(recorder);
    EXPECT_EQ(seen.processes.size(), 1U);
    EXPECT_EQ(seen.processes.at(2), "run 2");
}

}  // namespace
}  // namespace tombolo::testing
