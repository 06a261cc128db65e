#include "test/fibers/blocking_calls.hpp"
#include "test/fibers/thrown.hpp"
#include "test/support/descriptors.hpp"

#include <tombolo/fibers/cancel_scope.hpp>
#include <tombolo/fibers/instrument.hpp>
#include <tombolo/fibers/keyboard_interrupt.hpp>
#include <tombolo/fibers/no_checkpoint.hpp>
#include <tombolo/fibers/run.hpp>
#include <tombolo/fibers/run_local.hpp>
#include <tombolo/fibers/run_token.hpp>
#include <tombolo/fibers/statistics.hpp>
#include <tombolo/fibers/system_task.hpp>
#include <tombolo/fibers/task_tree.hpp>
#include <tombolo/testing/checkpoints.hpp>
#include <tombolo/testing/recording_instrument.hpp>
#include <tombolo/testing/test.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <sstream>
#include <string>
#include <vector>

// Bad input, the wrong place: functions that need a run or a task, called where there is none, or where nobody may block.

namespace tombolo::testing {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::AnyOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using calls = std::vector<blocking_call>;

void body_never_called() { ADD_FAILURE() << "the body was called"; }

run_local<int> of_the_run(1);

/// What needs a current task, though it does not block.
calls task_calls() {
    static lowlevel::parking_lot lot;
    static cancel_scope scope;
    return {
        {"current_task", [] { lowlevel::current_task(); }},
        {"current_checkpoint_counts", [] { lowlevel::current_checkpoint_counts(); }},
        {"next_wait", [] { lowlevel::next_wait(); }},
        {"parking_lot::break_lot", [] { lot.break_lot(); }},
        {"no_checkpoint", [] { const no_checkpoint guard; }},
        {"interrupt_guard", [] { const lowlevel::interrupt_guard guard(lowlevel::interrupt_guard::mode::protect); }},
        {"current_effective_deadline", [] { current_effective_deadline(); }},
        {"cancel_scope::run", [] { scope.run(body_never_called); }},
        {"", [] { move_on_after(1s, body_never_called); }},
        {"", [] { move_on_at(time_point::max(), body_never_called); }},
        {"", [] { fail_after(1s, body_never_called); }},
        {"", [] { fail_at(time_point::max(), body_never_called); }},
        {"", [] { assert_checkpoints(body_never_called); }},
        {"", [] { assert_no_checkpoints(body_never_called); }},
    };
}

/// What needs a run on this thread, but no task.
calls run_calls() {
    static recording_instrument watcher;
    return {
        {"now", [] { now(); }},
        {"current_clock", [] { lowlevel::current_clock(); }},
        {"notify_closing", [] { lowlevel::notify_closing(0); }},
        {"current_statistics", [] { lowlevel::current_statistics(); }},
        {"dump_tasks", [] { lowlevel::dump_tasks(std::cerr); }},
        {"task_tree", [] { lowlevel::task_tree(); }},
        {"current_root_task", [] { lowlevel::current_root_task(); }},
        {"current_run_token", [] { lowlevel::current_run_token(); }},
        {"signal_job", [] { lowlevel::signal_job job(body_never_called); }},
        {"spawn_system_task", [] { lowlevel::spawn_system_task(body_never_called); }},
        {"add_instrument", [] { lowlevel::add_instrument(&watcher); }},
        {"remove_instrument", [] { lowlevel::remove_instrument(watcher); }},
        {"run_local", [] { of_the_run.get(); }},
        {"run_local", [] { of_the_run.get(2); }},
        {"run_local", [] { of_the_run.set(2); }},
    };
}

calls all_calls() {
    calls all = blocking_calls();
    for (const calls& more : {task_calls(), run_calls()}) all.insert(all.end(), more.begin(), more.end());
    return all;
}

/// Makes each call; all have to throw exactly an Error whose text begins with their name and has `advice` in it.
template <class Error>
void expect_refused(const calls& refused, const std::string& advice) {
    for (const blocking_call& each : refused) {
        SCOPED_TRACE(each.name);
        const std::string text = text_of<Error>(each.make);
        EXPECT_THAT(text, HasSubstr(advice));
        if (!each.name.empty()) {
            EXPECT_EQ(text.substr(0, text.find(':' + std::string(" "))), each.name);
        }
    }
}

TEST(bad_input, outside_a_run_everything_that_needs_one_says_so) {
    expect_refused<not_in_run>(all_calls(), "call it inside tombolo::run");
    EXPECT_FALSE(in_run());
    EXPECT_FALSE(in_task());
    EXPECT_EQ(current_flavour(), flavour::none);
}

TEST(bad_input, after_a_run_everything_that_needs_one_says_so_again) {
    run([] { checkpoint(); });
    EXPECT_THROW(run([] { throw 7; }), int);
    expect_refused<not_in_run>(all_calls(), "call it inside tombolo::run");
}

/// What an expectation must not have changed.
struct everything {
    everything() {
        const lowlevel::run_statistics now = lowlevel::current_statistics();
        living = now.tasks_living;
        readers = now.io.tasks_waiting_read;
        writers = now.io.tasks_waiting_write;
        deadline = now.time_to_next_deadline;
        jobs = now.run_sync_soon_queue_size;
    }
    bool operator==(const everything&) const = default;
    std::size_t living, readers, writers, jobs;
    duration deadline;
};

/// A function that instruments call in one hook.
struct at_io_wait final : instrument {
    explicit at_io_wait(std::function<void()> f) : f(std::move(f)) {}
    void after_io_wait(duration) override {
        if (auto once = std::exchange(f, nullptr)) once();
    }
    std::function<void()> f;
};

struct after_a_step final : instrument {
    explicit after_a_step(std::function<void()> f) : f(std::move(f)) {}
    void after_task_step(task&) override {
        if (auto once = std::exchange(f, nullptr)) once();
    }
    std::function<void()> f;
};

TOMBOLO_TEST(bad_input, an_instrument_must_not_block) {
    bool called = false;
    const auto block = [&] {
        const everything before;
        expect_refused<checkpoint_forbidden>(blocking_calls(), "an instrument must not block");
        EXPECT_EQ(everything(), before);
        called = true;
    };
    at_io_wait without_task(block);
    lowlevel::add_instrument(&without_task);
    checkpoint();
    checkpoint();
    EXPECT_TRUE(std::exchange(called, false));
    after_a_step with_task(block);
    lowlevel::add_instrument(&with_task);
    checkpoint();
    checkpoint();
    EXPECT_TRUE(called);
    lowlevel::remove_instrument(without_task);
    lowlevel::remove_instrument(with_task);
}

TOMBOLO_TEST(bad_input, between_steps_there_is_no_task) {
    bool called = false;
    at_io_wait watcher([&] {
        EXPECT_TRUE(in_run());
        EXPECT_FALSE(in_task());
        expect_refused<not_in_task>(task_calls(), "call it from a task");
        called = true;
    });
    lowlevel::add_instrument(&watcher);
    checkpoint();
    checkpoint();
    EXPECT_TRUE(called);
    lowlevel::remove_instrument(watcher);
}

/// A park whose abort function does something first.
void park_and_when_aborted(const std::function<void()>& f) {
    lowlevel::park([&](const lowlevel::raise_cancel&) {
        f();
        return lowlevel::abort::succeeded;
    });
}

TOMBOLO_TEST(bad_input, an_abort_function_must_not_block) {
    int called = 0;
    const auto block = [&] {
        const everything before;
        expect_refused<checkpoint_forbidden>(blocking_calls(), "an abort function must not block");
        EXPECT_EQ(everything(), before);
        ++called;
    };
    cancel_scope by_a_task;
    open_nursery([&](nursery& n) {
        n.start_soon([&] { by_a_task.run([&] { park_and_when_aborted(block); }); });
        wait_all_tasks_blocked();
        by_a_task.cancel();
    });
    EXPECT_TRUE(by_a_task.cancelled_caught());
    cancel_scope at_once;
    at_once.cancel();
    at_once.run([&] { park_and_when_aborted(block); });
    EXPECT_EQ(called, 2);
}

TOMBOLO_TEST(bad_input, an_abort_function_called_by_a_deadline_must_not_block) {
    bool called = false;
    move_on_after(1s, [&] {
        park_and_when_aborted([&] {
            const everything before;
            EXPECT_FALSE(in_task()) << "the run loop calls it";
            expect_refused<checkpoint_forbidden>(blocking_calls(), "an abort function must not block");
            EXPECT_EQ(everything(), before);
            called = true;
        });
    });
    EXPECT_TRUE(called);
}

TOMBOLO_TEST(bad_input, a_run_sync_soon_callback_must_not_block) {
    bool called = false;
    lowlevel::current_run_token().run_sync_soon([&] {
        const everything before;
        expect_refused<checkpoint_forbidden>(blocking_calls(), "a run_sync_soon callback must not block");
        EXPECT_EQ(everything(), before);
        called = true;
    });
    while (!called) checkpoint();
}

TOMBOLO_TEST(bad_input, nothing_blocks_inside_of_no_checkpoint) {
    const auto counts = [] {
        const auto now = lowlevel::current_checkpoint_counts();
        return std::pair(now.cancel_points, now.schedule_points);
    };
    const everything before;
    const auto points = counts();
    {
        const no_checkpoint guard;
        expect_refused<checkpoint_forbidden>(blocking_calls(), "move the blocking call out of the section");
        EXPECT_THAT(text_of<checkpoint_forbidden>([] { checkpoint(); }), HasSubstr("\"main\""));
    }
    EXPECT_EQ(counts(), points);
    EXPECT_EQ(everything(), before);
    EXPECT_THAT(lowlevel::current_task().child_nurseries(), ::testing::SizeIs(0));
    checkpoint();
}

TOMBOLO_TEST(bad_input, starting_a_child_inside_of_no_checkpoint_starts_none) {
    open_nursery([](nursery& n) {
        const everything before;
        {
            const no_checkpoint guard;
            EXPECT_THAT(
                text_of<checkpoint_forbidden>([&] { n.start([](task_status<>&) { body_never_called(); }); }),
                HasSubstr("nursery::start"));
        }
        EXPECT_EQ(everything(), before);
        EXPECT_TRUE(n.child_tasks().empty());
    });
}

struct blocking_clock final : clock {
    time_point now() const override {
        if (auto once = std::exchange(f, nullptr)) once();
        return {};
    }
    duration time_until(time_point) const override { return duration::max(); }
    mutable std::function<void()> f;
};

TEST(bad_input, a_clock_must_not_block) {
    blocking_clock clock;
    bool called = false;
    const auto main = [&] {
        cancel_scope with_a_deadline{{.deadline = time_point(1h)}};
        with_a_deadline.run([&] {
            clock.f = [&] {
                expect_refused<checkpoint_forbidden>(blocking_calls(), "a clock must not block");
                called = true;
            };
            for (int i = 0; i < 100'000 && !called; ++i) checkpoint();
        });
    };
    run(main, {.clock = &clock});
    EXPECT_TRUE(called);
}

/// A second run is refused, and the first one does not notice.
void expect_no_nested_run() {
    const bool had_task = in_task();
    EXPECT_THAT(
        text_of<nested_run>([] { run(body_never_called); }),
        AllOf(HasSubstr("run"), HasSubstr("open a nursery"), HasSubstr("thread of its own")));
    EXPECT_TRUE(in_run());
    EXPECT_EQ(in_task(), had_task);
}

TOMBOLO_TEST(bad_input, a_run_inside_a_run_is_refused_wherever_it_is_tried) {
    expect_no_nested_run();
    int called = 0;
    const auto nest = [&] {
        expect_no_nested_run();
        ++called;
    };
    at_io_wait watcher(nest);
    lowlevel::add_instrument(&watcher);
    lowlevel::current_run_token().run_sync_soon(nest);
    lowlevel::spawn_system_task(nest);
    move_on_after(1s, [&] { park_and_when_aborted(nest); });
    lowlevel::remove_instrument(watcher);
    EXPECT_EQ(called, 4);
    checkpoint();
}

}  // namespace
}  // namespace tombolo::testing
