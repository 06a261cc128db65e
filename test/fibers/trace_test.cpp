#include <tombolo/fibers/trace.hpp>

#include "test/support/trace_view.hpp"

#include <tombolo/fibers/cancel_scope.hpp>
#include <tombolo/fibers/checkpoint.hpp>
#include <tombolo/fibers/nursery.hpp>
#include <tombolo/fibers/park.hpp>
#include <tombolo/fibers/parking_lot.hpp>
#include <tombolo/fibers/run.hpp>
#include <tombolo/fibers/timeouts.hpp>
#include <tombolo/fibers/wait_fd.hpp>
#include <tombolo/testing/mock_clock.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include <unistd.h>

// What a trace shows of a run.

namespace tombolo::testing {
namespace {

using namespace std::chrono_literals;
using lowlevel::parking_lot;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using slice = trace_view::slice;

constexpr std::int64_t second = 1'000'000'000;

/// Runs `main` on virtual time and returns its trace, which shows that time.
trace_view traced(const std::function<void()>& main, trace_options options = {.time = trace_time::run}) {
    mock_clock clock{{.autojump_threshold = 0s}};
    trace_recorder recorder(options);
    run(main, {.clock = &clock, .instruments = {&recorder}, .detect_deadlock = true});
    return trace_view(recorder);
}

std::vector<std::string> names(const std::vector<slice>& slices) {
    std::vector<std::string> all;
    for (const slice& each : slices) all.push_back(each.name);
    return all;
}

const slice* find(const std::vector<slice>& slices, const std::string& name) {
    const auto found = std::ranges::find(slices, name, &slice::name);
    return found == slices.end() ? nullptr : &*found;
}

TEST(trace, has_a_track_for_each_task_and_one_for_the_loop) {
    const trace_view seen = traced([] {
        open_nursery([](nursery& n) {
            n.start_soon([] {}, {.name = "reader"});
            n.start_soon([] {}, {.name = "writer"});
        });
    });
    std::vector<std::string> all;
    for (const auto& [id, name] : seen.names) all.push_back(name);
    EXPECT_THAT(
        all,
        ::testing::UnorderedElementsAre(
            "run loop", "<root> #0", "main #1", "<run_sync_soon> #2", "reader #3", "writer #4"));
    EXPECT_THAT(seen.processes, ElementsAre(std::pair(1, std::string("run 1"))));
}

TEST(trace, names_a_task_without_a_name_after_its_function) {
    const trace_view seen = traced([] {
        open_nursery([](nursery& n) {
            n.start_soon(sleep_forever);
            n.cancel_scope().cancel();
        });
    });
    EXPECT_NE(
        std::ranges::find_if(
            seen.names, [](const auto& each) { return each.second.find("void (*)()") != std::string::npos; }),
        seen.names.end());
}

TEST(trace, shows_steps_and_between_them_what_the_task_waits_in_and_how_long) {
    const trace_view seen = traced([] {
        sleep_for(2s);
        checkpoint();
        sleep_for(3s);
    });
    const auto main = seen.track("main");
    const auto steps = seen.slices_on(main, "step");
    ASSERT_THAT(steps, SizeIs(4));
    EXPECT_EQ(steps[0].text("ends"), "waits");
    EXPECT_EQ(steps[0].text("waits_in"), "sleep_for");
    EXPECT_EQ(steps[1].text("ends"), "yields");
    EXPECT_EQ(steps[2].text("waits_in"), "sleep_for");
    EXPECT_EQ(steps[3].text("ends"), "exits");
    EXPECT_EQ(steps[1].begin - steps[0].begin, 2 * second);
    const auto waits = seen.slices_on(main, "wait");
    ASSERT_THAT(names(waits), ElementsAre("sleep_for", "sleep_for")) << "in virtual time nobody is runnable for long";
    EXPECT_EQ(waits[0].length(), 2 * second);
    EXPECT_EQ(waits[1].length(), 3 * second);
}

TEST(trace, leaves_the_waits_out_when_told_so) {
    const trace_view seen = traced([] { sleep_for(2s); }, {.time = trace_time::run, .waits = false});
    EXPECT_THAT(seen.slices_on(seen.track("main"), "wait"), IsEmpty());
    EXPECT_THAT(seen.slices_on(seen.track("main"), "step"), SizeIs(2));
}

TEST(trace, leads_an_arrow_from_the_step_that_wakes_to_the_step_of_the_woken) {
    const trace_view seen = traced([] {
        parking_lot lot;
        open_nursery([&](nursery& n) {
            n.start_soon([&] { lot.park(); }, {.name = "sleeper"});
            n.start_soon(
                [&] {
                    sleep_for(5s);
                    lot.unpark_all();
                },
                {.name = "waker"});
        });
    });
    const auto arrows = seen.arrows_between(seen.track("waker"), seen.track("sleeper"));
    ASSERT_THAT(arrows, SizeIs(1));
    EXPECT_EQ(arrows[0].name, "wakes");
    const auto wakers_steps = seen.slices_on(seen.track("waker"), "step");
    const auto sleepers_steps = seen.slices_on(seen.track("sleeper"), "step");
    ASSERT_THAT(wakers_steps, SizeIs(2));
    ASSERT_THAT(sleepers_steps, SizeIs(2));
    EXPECT_EQ(arrows[0].begin, wakers_steps[1].begin);
    EXPECT_EQ(arrows[0].end, sleepers_steps[1].begin);
    EXPECT_THAT(seen.arrows_between(seen.track("sleeper"), seen.track("waker")), IsEmpty());
}

TEST(trace, leads_an_arrow_from_the_loop_to_whom_a_deadline_wakes) {
    const trace_view seen = traced([] { sleep_for(1s); });
    const auto loop = trace_view::track_id{1, 1};
    EXPECT_EQ(seen.names.at(loop), "run loop");
    EXPECT_THAT(seen.arrows_between(loop, seen.track("main")), SizeIs(1));
}

TEST(trace, leads_an_arrow_from_the_parent_to_the_first_step_of_its_child) {
    const trace_view seen =
        traced([] { open_nursery([](nursery& n) { n.start_soon([] { sleep_for(1s); }, {.name = "child"}); }); });
    const auto arrows = seen.arrows_between(seen.track("main"), seen.track("child"));
    ASSERT_THAT(arrows, SizeIs(1)) << "and none for becoming runnable at that";
    EXPECT_EQ(arrows[0].name, "spawns");
    EXPECT_EQ(arrows[0].end, seen.slices_on(seen.track("child"), "step")[0].begin);
}

TEST(trace, a_yield_has_no_arrow) {
    const trace_view seen = traced([] { checkpoint(); });
    EXPECT_THAT(seen.arrows_between(seen.track("main"), seen.track("main")), IsEmpty());
}

TEST(trace, nests_nurseries_and_scopes_and_their_steps_as_the_program_does) {
    const trace_view seen = traced(
        [] {
            sleep_for(1s);
            open_nursery([](nursery& outer) {
                outer.start_soon([] { sleep_for(9s); }, {.name = "child"});
                move_on_after(4s, [] {
                    sleep_for(1s);
                    open_nursery([](nursery&) { sleep_for(2s); });
                });
            });
            sleep_for(1s);
        },
        {.time = trace_time::run, .waits = false});
    const auto all = seen.slices_on(seen.track("main"));
    const slice* scope = find(all, "timeout 4 s");
    ASSERT_NE(scope, nullptr);
    std::vector<slice> nurseries;
    std::ranges::copy_if(all, std::back_inserter(nurseries), [](const slice& s) { return s.name == "nursery"; });
    ASSERT_THAT(nurseries, SizeIs(2));
    EXPECT_EQ(nurseries[0].depth, 0U);
    EXPECT_EQ(nurseries[0].length(), 9 * second) << "open until the child ends";
    EXPECT_EQ(scope->depth, 1U);
    EXPECT_EQ(scope->length(), 3 * second);
    EXPECT_EQ(nurseries[1].depth, 2U);
    EXPECT_EQ(nurseries[1].length(), 2 * second);
    const auto is_step_at = [&](std::int64_t time, std::size_t depth) {
        return std::ranges::any_of(all, [&](const slice& s) {
            return s.category == "step" && s.begin - all[0].begin == time && s.depth == depth;
        });
    };
    EXPECT_TRUE(is_step_at(0, 0));
    EXPECT_TRUE(is_step_at(2 * second, 3)) << "in the inner nursery";
    EXPECT_TRUE(is_step_at(11 * second, 0)) << "behind the nursery";
}

TEST(trace, shows_a_scope_that_no_step_leaves_inside_of_that_step) {
    trace_recorder recorder;
    run([] { move_on_after(1h, [] {}); }, {.instruments = {&recorder}});
    const trace_view seen(recorder);
    const auto all = seen.slices_on(seen.track("main"));
    const slice* scope = find(all, "timeout 1 h");
    ASSERT_NE(scope, nullptr);
    EXPECT_EQ(scope->depth, 1U);
    EXPECT_THAT(seen.slices_on(seen.track("main"), "step"), SizeIs(1)) << "it is not cut";
    EXPECT_FALSE(scope->args.has("cancelled_by"));
}

TEST(trace, says_who_cancelled_a_scope_and_why) {
    const trace_view seen = traced([] {
        open_nursery([](nursery& n) {
            cancel_scope scope;
            n.start_soon([&] { scope.run([] { sleep_forever(); }); }, {.name = "victim"});
            n.start_soon(
                [&] {
                    sleep_for(1s);
                    scope.cancel("enough of it");
                },
                {.name = "judge"});
            sleep_for(2s);
        });
    });
    const auto victim = seen.track("victim");
    const auto spans = seen.slices_on(victim, "scope");
    ASSERT_THAT(spans, SizeIs(1));
    EXPECT_EQ(spans[0].name, "cancel scope");
    EXPECT_EQ(spans[0].text("cancelled_by"), "explicit call");
    EXPECT_EQ(spans[0].text("reason"), "enough of it");
    EXPECT_EQ(spans[0].text("by_task"), "judge");
    EXPECT_TRUE(spans[0].args["absorbed_the_cancellation"].boolean());
    const auto note = std::ranges::find(seen.notes, victim, &trace_view::note::track);
    ASSERT_NE(note, seen.notes.end());
    EXPECT_EQ(note->name, "cancelled: explicit call");
    EXPECT_EQ(note->time - spans[0].begin, second);
    EXPECT_EQ(note->event["args"]["reason"].string(), "enough of it");
    EXPECT_THAT(seen.arrows_between(seen.track("judge"), victim), SizeIs(1)) << "the cancel woke it";
}

TEST(trace, shows_which_timeout_struck_and_which_shield_held) {
    const trace_view seen = traced([] {
        move_on_after(1s, [] {
            cancel_scope shield({.shield = true});
            shield.run([] { sleep_for(3s); });
            sleep_forever();
        });
    });
    const auto scopes = seen.slices_on(seen.track("main"), "scope");
    ASSERT_THAT(names(scopes), ElementsAre("timeout 1 s", "shielded cancel scope"));
    EXPECT_EQ(scopes[0].text("cancelled_by"), "deadline");
    EXPECT_EQ(scopes[0].length(), 3 * second);
    EXPECT_EQ(scopes[1].length(), 3 * second);
    EXPECT_FALSE(scopes[1].args.has("cancelled_by"));
    EXPECT_TRUE(scopes[1].args["shielded"].boolean());
}

TEST(trace, shows_why_a_nursery_was_cancelled) {
    const trace_view seen = traced([] {
        EXPECT_THROW(
            open_nursery([](nursery& n) {
                n.start_soon([] { throw std::runtime_error("no luck"); }, {.name = "loser"});
                sleep_forever();
            }),
            std::exception);
    });
    const auto spans = seen.slices_on(seen.track("main"), "nursery");
    ASSERT_THAT(spans, SizeIs(1));
    EXPECT_EQ(spans[0].text("cancelled_by"), "nursery");
    EXPECT_THAT(spans[0].text("reason"), HasSubstr("no luck"));
    EXPECT_EQ(spans[0].text("by_task"), "loser");
}

TEST(trace, shows_the_waits_for_events_and_whom_they_woke) {
    std::array<int, 2> ends{};
    ASSERT_EQ(::pipe(ends.data()), 0);
    ASSERT_EQ(::write(ends[1], "x", 1), 1);
    trace_recorder recorder;
    run([&] { lowlevel::wait_readable(ends[0]); }, {.instruments = {&recorder}});
    for (const int end : ends) ::close(end);
    const trace_view seen(recorder);
    const trace_view::track_id loop{1, 1};
    const auto waits = seen.slices_on(loop, "io");
    ASSERT_THAT(waits, SizeIs(1));
    EXPECT_EQ(waits[0].name, "wait for events");
    EXPECT_EQ(waits[0].text("timeout"), "none");
    const auto arrows = seen.arrows_between(loop, seen.track("main"));
    ASSERT_THAT(arrows, SizeIs(1));
    EXPECT_GE(arrows[0].begin, waits[0].begin);
    EXPECT_LE(arrows[0].begin, waits[0].end);
}

TEST(trace, counts_the_tasks_that_live_and_those_that_are_runnable) {
    const trace_view seen = traced([] {
        open_nursery([](nursery& n) {
            for (int i = 0; i < 7; ++i) n.start_soon([] { sleep_for(1s); });
        });
    });
    double most_living = 0;
    double most_runnable = 0;
    for (const json& each : seen.counters) {
        most_living = std::max(most_living, each["args"]["living"].number());
        most_runnable = std::max(most_runnable, each["args"]["runnable"].number());
    }
    EXPECT_EQ(most_living, 10);
    EXPECT_EQ(most_runnable, 7);
    ASSERT_FALSE(seen.counters.empty());
    EXPECT_EQ(seen.counters.back()["args"]["living"].number(), 0);
    EXPECT_EQ(seen.counters.back()["args"]["runnable"].number(), 0);
}

TEST(trace, of_a_busy_program_is_sound_whatever_the_order) {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        SCOPED_TRACE(seed);
        mock_clock clock{{.autojump_threshold = 0s}};
        trace_recorder recorder({.time = seed % 2 == 0 ? trace_time::run : trace_time::steady});
        const auto main = [] {
            parking_lot lot;
            open_nursery([&](nursery& n) {
                for (int i = 0; i < 5; ++i) {
                    n.start_soon([&, i] {
                        move_on_after(std::chrono::seconds(i), [&] {
                            open_nursery([&](nursery& inner) {
                                inner.start_soon([&] { lot.park(); });
                                inner.start_soon([] { checkpoint(); });
                                cancel_scope({.shield = i % 2 == 0}).run([] { sleep_for(2s); });
                            });
                        });
                        move_on_after(0s, [] { checkpoint(); });
                        lot.unpark(1);
                    });
                }
                const int port = n.start<int>([](task_status<int>& status) {
                    status.started(1);
                    sleep_for(1s);
                });
                sleep_for(std::chrono::seconds(port));
            });
        };
        run(main, {.clock = &clock, .instruments = {&recorder}, .seed = seed});
        const trace_view seen(recorder);
        EXPECT_EQ(seen.dropped, 0U);
        EXPECT_GT(seen.arrows.size(), 30U);
        EXPECT_GT(seen.slices.size(), 80U);
    }
}

}  // namespace
}  // namespace tombolo::testing
