#include "test/held_locks/detect.hpp"

#include <tombolo/fibers/checkpoint.hpp>
#include <tombolo/fibers/errors.hpp>
#include <tombolo/fibers/held_locks.hpp>
#include <tombolo/fibers/instrument.hpp>
#include <tombolo/fibers/nursery.hpp>
#include <tombolo/fibers/timeouts.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <mutex>

/// Not in a namespace without a name: reports name dynamic symbols.
[[gnu::noinline]] void lock_here(std::mutex& mutex) { mutex.lock(); }

namespace tombolo::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

/// Runs tasks that take no locks, under a detector of their own: one that has not reported any place yet.
reports detect_among_innocent_tasks() {
    reports found;
    held_lock_detector fresh({.sink = [&](const held_lock_report& report) { found.push_back(report); }});
    lowlevel::add_instrument(&fresh);
    for (int i = 0; i < 5; ++i)
        open_nursery([](nursery& n) { n.start_soon([] { sleep_for(1s); }, {.name = "innocent"}); });
    lowlevel::remove_instrument(fresh);
    return found;
}

TEST(held_lock_detector, reports_a_lock_that_a_task_leaves_behind_and_blames_no_later_task_for_it) {
    std::mutex mutex;
    const reports found = detect([&] {
        open_nursery([&](nursery& n) { n.start_soon([&] { lock_here(mutex); }, {.name = "forgetful"}); });
        EXPECT_THAT(detect_among_innocent_tasks(), IsEmpty());
    });
    mutex.unlock();
    ASSERT_THAT(found, SizeIs(1));
    EXPECT_EQ(found[0].task, "forgetful");
    EXPECT_TRUE(found[0].task_ended);
}

TEST(held_lock_detector, blames_nobody_else_while_a_task_holds_a_lock) {
    std::mutex mutex;
    const reports found = detect([&] {
        open_nursery([&](nursery& n) {
            n.start_soon(
                [&] {
                    const std::lock_guard lock(mutex);
                    sleep_for(1h);
                },
                {.name = "guilty"});
            sleep_for(1s);
            EXPECT_THAT(detect_among_innocent_tasks(), IsEmpty());
        });
    });
    ASSERT_THAT(found, SizeIs(1));
    EXPECT_EQ(found[0].task, "guilty");
}

TEST(held_lock_detector, says_where_the_lock_was_taken) {
    std::mutex mutex;
    for (const int frames : {1, 8}) {
        const reports found = detect(
            [&] {
                lock_here(mutex);
                sleep_for(1s);
                mutex.unlock();
            },
            {.most_frames = frames});
        ASSERT_THAT(found, SizeIs(1));
        EXPECT_LE(found[0].locked_at.size(), static_cast<std::size_t>(frames));
        if (frames > 1) {
            EXPECT_GT(found[0].locked_at.size(), 1U);
            EXPECT_THAT(
                found[0].to_string(),
                AllOf(
                    HasSubstr("task \"main\" #1 holds a mutex of the thread"), HasSubstr("waits in sleep_for"),
                    HasSubstr("lock_here(std::mutex&)")));
        }
    }
}

TEST(held_lock_detector, writes_to_stderr_without_a_sink) {
    std::mutex mutex;
    held_lock_detector detector;
    mock_clock clock{{.autojump_threshold = 0s}};
    ::testing::internal::CaptureStderr();
    run(
        [&] {
            const std::lock_guard lock(mutex);
            sleep_for(1s);
        },
        {.clock = &clock, .instruments = {&detector}});
    EXPECT_THAT(::testing::internal::GetCapturedStderr(), HasSubstr("tombolo: task \"main\""));
}

TEST(held_lock_detector_death_test, ends_the_program_if_it_shall) {
    std::mutex mutex;
    const auto hold = [&] {
        held_lock_detector detector({.when_held = held_lock_options::policy::abort});
        run(
            [&] {
                const std::lock_guard lock(mutex);
                checkpoint();
            },
            {.instruments = {&detector}});
    };
    EXPECT_DEATH(hold(), "holds a mutex of the thread");
}

TEST(held_lock_detector, refuses_numbers_of_frames_that_it_cannot_keep) {
    EXPECT_THROW(held_lock_detector({.most_frames = 0}), usage_error);
    EXPECT_THROW(held_lock_detector({.most_frames = 17}), usage_error);
}

}  // namespace
}  // namespace tombolo::testing
