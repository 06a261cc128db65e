#include "test/fibers/hand_driven_watchdog.hpp"

#include <tombolo/fibers/checkpoint.hpp>
#include <tombolo/fibers/errors.hpp>
#include <tombolo/fibers/nursery.hpp>
#include <tombolo/fibers/run.hpp>
#include <tombolo/fibers/timeouts.hpp>
#include <tombolo/fibers/watchdog.hpp>
#include <tombolo/testing/mock_clock.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace tombolo::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using kind = watchdog_report::kind;
using activity = watchdog_report::activity;

TEST(watchdog, names_the_task_whose_step_takes_longer_than_the_threshold) {
    hand_driven watched;
    watched.run_watched([&] {
        in_named_task("slow", [&] {
            watched.dog.look();
            watched.spend(60ms);
            EXPECT_THAT(watched.reports, IsEmpty());
            watched.spend(60ms);
            ASSERT_THAT(watched.reports, SizeIs(1));
            const watchdog_report& report = watched.reports.front();
            EXPECT_EQ(report.what, kind::stuck);
            EXPECT_EQ(report.task, "slow");
            EXPECT_EQ(report.task_id, lowlevel::current_task().id());
            EXPECT_EQ(report.lasted, 120ms);
            EXPECT_THAT(report.tree, IsEmpty());
        });
    });
}

TEST(watchdog, says_nothing_of_a_task_that_lets_others_run) {
    hand_driven watched;
    watched.run_watched([&] {
        for (int i = 0; i < 10; ++i) {
            watched.dog.look();
            watched.spend(60ms);
            checkpoint();
        }
    });
    EXPECT_THAT(watched.reports, IsEmpty());
}

/// Looks long and often while the run waits for events.
struct looks_in_waits final : instrument {
    explicit looks_in_waits(hand_driven& looking) : watched(looking) {}
    void before_io_wait(duration) override {
        ++waits;
        for (int i = 0; i < 5; ++i) watched.spend(1h);
    }
    void after_io_wait(duration) override {
        for (int i = 0; i < 5; ++i) watched.spend(1h);
    }
    hand_driven& watched;
    int waits = 0;
};

TEST(watchdog, says_nothing_while_the_run_waits_for_events) {
    hand_driven watched;
    looks_in_waits looker(watched);
    watched.run_watched(
        [] {
            for (int i = 0; i < 5; ++i) sleep_for(1h);
        },
        {&looker});
    EXPECT_GT(looker.waits, 4);
    EXPECT_THAT(watched.reports, IsEmpty());
}

TEST(watchdog, reports_again_after_twice_the_time_each) {
    hand_driven watched;
    watched.run_watched([&] {
        watched.dog.look();
        for (int i = 0; i < 90; ++i) watched.spend(10ms);
        std::vector<duration> at;
        for (const watchdog_report& report : watched.reports) at.push_back(report.lasted);
        EXPECT_THAT(at, ElementsAre(100ms, 200ms, 400ms, 800ms));
    });
}

TEST(watchdog, reports_once_without_repeat) {
    hand_driven watched({.repeat = false});
    watched.run_watched([&] {
        watched.dog.look();
        for (int i = 0; i < 90; ++i) watched.spend(10ms);
        EXPECT_THAT(watched.reports, SizeIs(1));
    });
}

TEST(watchdog, starts_anew_with_each_step) {
    hand_driven watched;
    watched.run_watched([&] {
        for (int i = 0; i < 3; ++i) {
            watched.be_reported();
            checkpoint();
        }
    });
    EXPECT_THAT(watched.reports, SizeIs(6)) << "each of three steps, stuck and ended";
}

TEST(watchdog, adds_the_task_tree_when_the_step_has_ended) {
    hand_driven watched;
    watched.run_watched([&] {
        open_nursery([&](nursery& n) {
            n.start_soon(
                [&] {
                    checkpoint();
                    watched.be_reported();
                    watched.wall += 30ms;
                    checkpoint();
                },
                {.name = "slow"});
            n.start_soon([] { sleep_for(1s); }, {.name = "bystander"});
        });
    });
    ASSERT_THAT(watched.reports, SizeIs(2));
    const watchdog_report& ended = watched.reports.back();
    EXPECT_EQ(ended.what, kind::ended);
    EXPECT_EQ(ended.task, "slow");
    EXPECT_EQ(ended.task_id, watched.reports.front().task_id);
    EXPECT_EQ(ended.lasted, 150ms);
    EXPECT_THAT(ended.tree, HasSubstr("slow #"));
    EXPECT_THAT(ended.tree, HasSubstr("bystander #"));
}

TEST(watchdog, leaves_the_tree_out_if_it_is_told_to) {
    hand_driven watched({.include_tree = false});
    watched.run_watched([&] { watched.be_reported(); });
    ASSERT_THAT(watched.reports, SizeIs(2));
    EXPECT_THAT(watched.reports.back().tree, IsEmpty());
}

TEST(watchdog, tells_of_the_end_of_a_step_that_was_the_tasks_last) {
    hand_driven watched;
    watched.run_watched([&] { in_named_task("short-lived", [&] { watched.be_reported(); }); });
    ASSERT_THAT(watched.reports, SizeIs(2));
    EXPECT_EQ(watched.reports.back().task, "short-lived");
    EXPECT_EQ(watched.reports.back().what, kind::ended);
}

TEST(watchdog, tells_a_task_that_computes_from_one_that_blocks_its_thread) {
    hand_driven watched;
    watched.run_watched([&] {
        watched.dog.look();
        watched.spend(100ms, 100ms);
        checkpoint();
        watched.dog.look();
        watched.spend(100ms, 1ms);
        checkpoint();
        watched.dog.look();
        watched.spend(100ms, 50ms);
        EXPECT_EQ(watched.reports.back().cpu_time, 50ms);
    });
    std::vector<activity> doing;
    for (const watchdog_report& report : watched.reports)
        if (report.what == kind::stuck) doing.push_back(report.doing());
    EXPECT_THAT(doing, ElementsAre(activity::computing, activity::blocked, activity::both));
}

struct a_callable_type {
    hand_driven* watched;
    void operator()() const { watched->be_reported(); }
};

TEST(watchdog, names_a_task_without_a_name_by_its_type) {
    hand_driven watched;
    watched.run_watched([&] { open_nursery([&](nursery& n) { n.start_soon(a_callable_type{&watched}); }); });
    ASSERT_THAT(watched.reports, SizeIs(2));
    for (const watchdog_report& report : watched.reports) EXPECT_THAT(report.task, HasSubstr("a_callable_type"));
}

TEST(watchdog, shows_every_character_of_names_up_to_its_limit) {
    hand_driven watched;
    const std::string alphabet = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    watched.run_watched([&] {
        for (std::size_t length = alphabet.size(); length > 0; --length)
            in_named_task(alphabet.substr(0, length), [&] { watched.be_reported(); });
    });
    std::size_t length = alphabet.size();
    for (const watchdog_report& report : watched.reports) {
        const bool stuck = report.what == kind::stuck;
        EXPECT_EQ(report.task, alphabet.substr(0, stuck ? std::min<std::size_t>(length, 48) : length));
        if (!stuck) --length;
    }
    EXPECT_EQ(length, 0U);
}

TEST(watchdog, delivers_every_report_before_the_run_returns_and_none_later) {
    hand_driven watched;
    watched.run_watched([&] { watched.be_reported(); });
    EXPECT_THAT(watched.reports, SizeIs(2));
    for (int i = 0; i < 5; ++i) watched.spend(1h);
    EXPECT_THAT(watched.reports, SizeIs(2));
}

TEST(watchdog, is_silent_once_it_is_stopped_and_the_run_goes_on) {
    hand_driven watched;
    bool finished = false;
    watched.run_watched([&] {
        watched.dog.look();
        watched.dog.stop();
        for (int i = 0; i < 5; ++i) watched.spend(1h);
        checkpoint();
        for (int i = 0; i < 5; ++i) watched.spend(1h);
        finished = true;
    });
    EXPECT_TRUE(finished);
    EXPECT_THAT(watched.reports, IsEmpty());
    watched.run_watched([&] { watched.be_reported(); });
    EXPECT_THAT(watched.reports, SizeIs(2)) << "the next run is watched again";
}

TEST(watchdog, watches_a_run_that_it_is_added_to_and_leaves_it) {
    hand_driven watched;
    mock_clock clock{{.autojump_threshold = 0s}};
    const auto main = [&] {
        lowlevel::add_instrument(&watched.dog);
        watched.be_reported();
        EXPECT_THAT(watched.reports, IsEmpty()) << "it has not seen the step begin";
        checkpoint();
        watched.be_reported();
        EXPECT_THAT(watched.reports, SizeIs(1));
        watched.dog.stop();
        lowlevel::remove_instrument(watched.dog);
        checkpoint();
        for (int i = 0; i < 5; ++i) watched.spend(1h);
    };
    run(main, {.clock = &clock});
    EXPECT_THAT(watched.reports, SizeIs(1));
}

TEST(watchdog, watches_one_run_at_a_time) {
    hand_driven watched;
    ::testing::internal::CaptureStderr();
    bool other_ran = false;
    watched.run_watched([&] {
        std::thread([&] { run([&] { other_ran = true; }, {.instruments = {&watched.dog}}); }).join();
        watched.be_reported();
    });
    EXPECT_THAT(::testing::internal::GetCapturedStderr(), HasSubstr("it watches another run already"));
    EXPECT_TRUE(other_ran);
    EXPECT_THAT(watched.reports, SizeIs(2)) << "the first run is still watched";
}

TEST(watchdog, goes_on_on_stderr_when_its_sink_throws) {
    int calls = 0;
    hand_driven watched({.sink = [&](const watchdog_report&) {
        ++calls;
        throw std::runtime_error("full disk");
    }});
    ::testing::internal::CaptureStderr();
    watched.run_watched([&] { in_named_task("slow", [&] { watched.be_reported(); }); });
    const std::string shown = ::testing::internal::GetCapturedStderr();
    EXPECT_THAT(shown, HasSubstr("full disk"));
    EXPECT_THAT(shown, HasSubstr("task \"slow\" #"));
    EXPECT_THAT(shown, HasSubstr("lets others run again"));
    EXPECT_EQ(calls, 1);
}

TEST(watchdog, refuses_a_threshold_that_is_not_positive) {
    EXPECT_THROW(watchdog({.threshold = 0ms}), invalid_duration);
    EXPECT_THROW(watchdog({.threshold = -1ms}), invalid_duration);
}

TEST(watchdog, looks_four_times_within_its_threshold) {
    EXPECT_EQ(watchdog({.threshold = 100ms}).look_every(), 25ms);
    EXPECT_EQ(watchdog({.threshold = 1us}).look_every(), 1ms);
}

TEST(watchdog, writes_a_sentence_and_the_tree_below_it) {
    const watchdog_report stuck{.task = "reader", .task_id = 7, .lasted = 1500ms, .cpu_time = 3ms, .tree = {}};
    EXPECT_EQ(
        stuck.to_string(),
        "tombolo: task \"reader\" #7 has kept all other tasks waiting for 1.5e+03 ms, blocked in the kernel (3 ms of "
        "processor time)");
    const watchdog_report ended{
        .what = kind::ended, .task = "reader", .task_id = 7, .lasted = 20ms, .cpu_time = 19ms, .tree = "the tree"};
    EXPECT_EQ(
        ended.to_string(),
        "tombolo: task \"reader\" #7 lets others run again, after 20 ms, computing (19 ms of processor time)\nthe "
        "tree");
}

}  // namespace
}  // namespace tombolo::testing
