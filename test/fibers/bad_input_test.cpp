#include "test/fibers/thrown.hpp"
#include "test/support/descriptors.hpp"

#include <tombolo/fibers/cancel_scope.hpp>
#include <tombolo/fibers/checkpoint.hpp>
#include <tombolo/fibers/nursery.hpp>
#include <tombolo/fibers/park.hpp>
#include <tombolo/fibers/run.hpp>
#include <tombolo/fibers/run_token.hpp>
#include <tombolo/fibers/statistics.hpp>
#include <tombolo/fibers/system_task.hpp>
#include <tombolo/fibers/timeouts.hpp>
#include <tombolo/fibers/wait_fd.hpp>
#include <tombolo/testing/recording_instrument.hpp>
#include <tombolo/testing/test.hpp>
#include <tombolo/testing/wait_all_tasks_blocked.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <unistd.h>

// Bad input, wrong values: each a specific exception whose text says what was done and what to do instead, thrown before
// anything has changed. Calls in the wrong place are in bad_input_place_test.cpp.

namespace tombolo::testing {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::AnyOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using seconds_in_double = std::chrono::duration<double>;

constexpr double nan = std::numeric_limits<double>::quiet_NaN();
constexpr double infinite = std::numeric_limits<double>::infinity();

void body_never_called() { ADD_FAILURE() << "the body was called"; }

TOMBOLO_TEST(bad_input, a_negative_or_nan_duration_is_refused_by_name_before_the_body_is_called) {
    const std::pair<std::string, std::function<void(seconds_in_double)>> calls[] = {
        {"sleep_for", [](seconds_in_double d) { sleep_for(d); }},
        {"move_on_after", [](seconds_in_double d) { move_on_after(d, body_never_called); }},
        {"fail_after", [](seconds_in_double d) { fail_after(d, body_never_called); }},
    };
    for (const auto& [name, call] : calls) {
        for (const double bad : {-1.0, -1e-12, -infinite}) {
            const auto before = lowlevel::current_checkpoint_counts();
            EXPECT_THAT(
                text_of<invalid_duration>([&, call = call] { call(seconds_in_double(bad)); }),
                AllOf(HasSubstr(name + ":"), HasSubstr("negative"), HasSubstr("give zero")));
            EXPECT_EQ(lowlevel::current_checkpoint_counts().schedule_points, before.schedule_points);
        }
        EXPECT_THAT(
            text_of<invalid_duration>([&, call = call] { call(seconds_in_double(nan)); }),
            AllOf(HasSubstr(name + ":"), HasSubstr("nan"), HasSubstr("give a number")));
    }
    EXPECT_EQ(current_effective_deadline(), time_point::max());
    EXPECT_EQ(test_clock().elapsed(), 0s);
}

TOMBOLO_TEST(bad_input, a_negative_relative_deadline_is_refused_and_the_scope_keeps_what_it_has) {
    EXPECT_THAT(
        text_of<invalid_duration>([] { const cancel_scope scope{{.relative_deadline = -1ns}}; }),
        AllOf(HasSubstr("relative_deadline"), HasSubstr("give zero")));
    cancel_scope scope{{.relative_deadline = 3s}};
    EXPECT_THAT(text_of<invalid_duration>([&] { scope.relative_deadline(-1s); }), HasSubstr("relative_deadline"));
    EXPECT_EQ(scope.relative_deadline(), 3s);
}

TEST(bad_input, a_scope_with_both_deadlines_is_refused) {
    EXPECT_THAT(
        text_of<usage_error>([] { const cancel_scope scope{{.deadline = time_point(1s), .relative_deadline = 1s}}; }),
        AllOf(HasSubstr("both"), HasSubstr("give one of them")));
}

TOMBOLO_TEST(bad_input, a_scope_entered_a_second_time_is_refused_and_the_first_use_goes_on) {
    const auto expect_refused = [](cancel_scope& used) {
        EXPECT_THAT(
            text_of<scope_reused>([&] { used.run(body_never_called); }),
            AllOf(HasSubstr("cancel_scope::run"), HasSubstr("make a new cancel_scope")));
    };
    cancel_scope scope;
    open_nursery([&](nursery& n) {
        n.start_soon([&] {
            wait_all_tasks_blocked();
            expect_refused(scope);  // from another task
            scope.cancel();
        });
        scope.run([&] {
            expect_refused(scope);  // inside of itself
            EXPECT_TRUE(scope.entered());
            sleep_forever();
        });
    });
    EXPECT_TRUE(scope.cancelled_caught());
    expect_refused(scope);  // afterwards
    EXPECT_TRUE(scope.cancelled_caught());
}

TOMBOLO_TEST(bad_input, a_descriptor_that_cannot_be_waited_for_is_refused_and_nobody_waits) {
    const unique_fd file(::open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
    for (void (*wait)(int) : {&lowlevel::wait_readable, &lowlevel::wait_writable}) {
        EXPECT_THAT(
            text_of<invalid_descriptor>([&] { wait(-1); }),
            AllOf(HasSubstr("-1 is negative"), HasSubstr("give an open")));
        EXPECT_THAT(text_of<std::system_error>([&] { wait(987); }), HasSubstr("987 is not open"));
        EXPECT_THAT(
            text_of<std::system_error>([&] { wait(file.get()); }),
            AllOf(HasSubstr("regular file"), HasSubstr("thread")));
        const auto io = lowlevel::current_statistics().io;
        EXPECT_EQ(io.tasks_waiting_read, 1U);
        EXPECT_EQ(io.tasks_waiting_write, 0U);
    }
}

std::vector<std::size_t> bad_stack_sizes() {
    const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    return {1,
            page,
            16 * 1024 - page,
            64 * 1024 + 1,
            256 * 1024 - 1,
            std::numeric_limits<std::size_t>::max() / page * page};
}

TEST(bad_input, a_stack_size_that_no_stack_can_have_is_refused_by_run_before_anything_happens) {
    recording_instrument watcher;
    for (const std::size_t bad : bad_stack_sizes()) {
        SCOPED_TRACE(bad);
        EXPECT_THAT(
            text_of<invalid_stack_size>(
                [&] { run(body_never_called, {.instruments = {&watcher}, .stack_size = bad}); }),
            AllOf(HasSubstr(std::to_string(bad)), AnyOf(HasSubstr("use"), HasSubstr("give"), HasSubstr("ask for"))));
        EXPECT_FALSE(in_run());
    }
    text_of<invalid_stack_size>([] { run(body_never_called, {.stack_size = 0}); });
    EXPECT_THAT(watcher.events(), IsEmpty());
}

TOMBOLO_TEST(bad_input, a_stack_size_that_no_stack_can_have_is_refused_by_every_spawn) {
    open_nursery([](nursery& n) {
        const std::size_t living = lowlevel::current_statistics().tasks_living;
        for (const std::size_t bad : bad_stack_sizes()) {
            SCOPED_TRACE(bad);
            const spawn_options options{.name = "never", .stack_size = bad};
            const auto names_the_size = HasSubstr(std::to_string(bad));
            EXPECT_THAT(text_of<invalid_stack_size>([&] { n.start_soon(body_never_called, options); }), names_the_size);
            EXPECT_THAT(
                text_of<invalid_stack_size>([&] { n.start([](task_status<>&) { body_never_called(); }, options); }),
                names_the_size);
            EXPECT_THAT(
                text_of<invalid_stack_size>([&] { lowlevel::spawn_system_task(body_never_called, options); }),
                names_the_size);
            EXPECT_TRUE(n.child_tasks().empty());
            EXPECT_EQ(lowlevel::current_statistics().tasks_living, living);
            EXPECT_FALSE(n.cancel_scope().cancel_called());
        }
    });
}

TEST(bad_input, a_negative_spin_is_refused_by_run_before_anything_happens) {
    EXPECT_THAT(
        text_of<invalid_duration>([] { run(body_never_called, {.spin_before_sleep = -1ns}); }),
        AllOf(HasSubstr("spin_before_sleep"), HasSubstr("give zero")));
}

TEST(bad_input, a_null_instrument_is_refused_by_run_before_anything_happens) {
    recording_instrument watcher;
    recording_instrument* const null = nullptr;
    EXPECT_THAT(
        text_of<usage_error>([&] { run(body_never_called, {.instruments = {&watcher, null}}); }),
        AllOf(HasSubstr("instrument"), HasSubstr("null"), HasSubstr("give")));
    EXPECT_THAT(watcher.events(), IsEmpty());
}

TOMBOLO_TEST(bad_input, a_null_instrument_is_not_added) {
    recording_instrument* const null = nullptr;
    EXPECT_THAT(
        text_of<usage_error>([&] { lowlevel::add_instrument(null); }),
        AllOf(HasSubstr("add_instrument"), HasSubstr("give the address")));
    checkpoint();
}

TEST(bad_input, a_token_whose_run_has_ended_takes_no_more_calls) {
    std::optional<lowlevel::run_token> token;
    run([&] { token = lowlevel::current_run_token(); });
    const int key = 0;
    for (const lowlevel::run_sync_soon_options options : {lowlevel::run_sync_soon_options{}, {.idempotent = &key}}) {
        EXPECT_THAT(
            text_of<run_finished>([&] { token->run_sync_soon(body_never_called, options); }),
            AllOf(HasSubstr("run_sync_soon"), HasSubstr("before the run ends")));
    }
    run([&] {
        text_of<run_finished>([&] { token->run_sync_soon(body_never_called); });
        EXPECT_FALSE(*token == lowlevel::current_run_token());
    });
}

TOMBOLO_TEST(bad_input, an_empty_function_is_refused_by_the_run_token) {
    const auto token = lowlevel::current_run_token();
    void (*const null)() = nullptr;
    const auto says_what_to_give = AllOf(HasSubstr("the function is empty"), HasSubstr("give it something to call"));
    EXPECT_THAT(text_of<usage_error>([&] { token.run_sync_soon(null); }), says_what_to_give);
    EXPECT_THAT(text_of<usage_error>([&] { token.run_sync_soon(unique_function<void()>()); }), says_what_to_give);
    EXPECT_THAT(text_of<usage_error>([&] { token.run_sync_soon(std::function<void()>()); }), says_what_to_give);
    EXPECT_THAT(text_of<usage_error>([] { lowlevel::signal_job job(nullptr); }), says_what_to_give);
    EXPECT_EQ(lowlevel::current_statistics().run_sync_soon_queue_size, 0U);
}

/// Where an empty function takes the process down instead of being refused, the others still have to be tested.
template <class F>
void expect_refused_in_a_process_of_its_own(F spawn_empty) {
    const auto spawn_and_exit = [&] {
        run_test_body([&] {
            open_nursery([&](nursery& n) {
                const std::string text = text_of<usage_error>([&] { spawn_empty(n); });
                ::_exit(text.find("the function is empty") != text.npos && n.child_tasks().empty() ? 0 : 1);
            });
        });
    };
    EXPECT_EXIT(spawn_and_exit(), ::testing::ExitedWithCode(0), "");
}

TEST(bad_input, an_empty_function_is_not_spawned) {
    void (*const null)() = nullptr;
    expect_refused_in_a_process_of_its_own([&](nursery& n) { n.start_soon(null); });
    expect_refused_in_a_process_of_its_own([&](nursery& n) { n.start_soon(std::function<void()>()); });
    expect_refused_in_a_process_of_its_own([&](nursery& n) { n.start_soon(unique_function<void()>()); });
    expect_refused_in_a_process_of_its_own([&](nursery&) { lowlevel::spawn_system_task(null); });
    void (*const null_start)(task_status<>&) = nullptr;
    expect_refused_in_a_process_of_its_own([&](nursery& n) { n.start(null_start); });
}

TOMBOLO_TEST(bad_input, start_tells_a_child_that_never_started_and_one_that_started_twice) {
    open_nursery([](nursery& n) {
        EXPECT_THAT(
            text_of<not_started>([&] { n.start([](task_status<>&) {}); }),
            AllOf(HasSubstr("nursery::start"), HasSubstr("without calling"), HasSubstr("use start_soon")));
        EXPECT_TRUE(n.child_tasks().empty());
        int value = n.start<int>([](task_status<int>& status) {
            status.started(1);
            EXPECT_THAT(
                text_of<already_started>([&] { status.started(2); }),
                AllOf(HasSubstr("a second time"), HasSubstr("call it once")));
        });
        EXPECT_EQ(value, 1);
    });
}

/// Tries to start tasks in a nursery that has closed, before its owner runs. Returns whether there was a moment for it.
bool start_in_a_closed_nursery() {
    nursery* closing = nullptr;
    bool left = false;
    bool tried = false;
    open_nursery([&](nursery& outer) {
        outer.start_soon([&] {
            open_nursery([&](nursery& inner) {
                closing = &inner;
                inner.start_soon([] { checkpoint(); });
            });
            left = true;
        });
        while (!left) {
            if (closing != nullptr && closing->closed() && !std::exchange(tried, true)) {
                EXPECT_THAT(
                    text_of<nursery_closed>([&] { closing->start_soon(body_never_called); }),
                    AllOf(HasSubstr("start_soon"), HasSubstr("still open")));
                EXPECT_THAT(
                    text_of<nursery_closed>([&] { closing->start([](task_status<>&) { body_never_called(); }); }),
                    AllOf(HasSubstr("nursery::start"), HasSubstr("start earlier")));
                EXPECT_TRUE(closing->child_tasks().empty());
            }
            checkpoint();
        }
    });
    return tried;
}

TOMBOLO_TEST(bad_input, a_closed_nursery_starts_nothing) {
    bool tried = false;
    for (int i = 0; i < 1000 && !tried; ++i) tried = start_in_a_closed_nursery();
    EXPECT_TRUE(tried);
}

TOMBOLO_TEST(bad_input, a_system_task_is_not_spawned_while_the_run_shuts_down) {
    lowlevel::spawn_system_task([] {
        try {
            sleep_forever();
        } catch (const cancelled&) {
            lowlevel::spawn_system_task([] {});  // the others are still awaited
            throw;
        }
    });
    struct late final : instrument {
        void after_run() override {
            EXPECT_THAT(
                text_of<nursery_closed>([] { lowlevel::spawn_system_task(body_never_called); }),
                AllOf(HasSubstr("shutting down"), HasSubstr("while the main task runs")));
        }
    };
    static late watcher;
    lowlevel::add_instrument(&watcher);
    checkpoint();
}

TOMBOLO_TEST(bad_input, a_reschedule_that_nobody_waits_for_is_refused) {
    task& self = lowlevel::current_task();
    const auto each_park_takes_one = AllOf(HasSubstr("\"main\""), HasSubstr("exactly one"));
    EXPECT_THAT(text_of<invalid_reschedule>([&] { lowlevel::reschedule(self); }), each_park_takes_one);
    open_nursery([&](nursery& n) {
        n.start_soon([&] {
            wait_all_tasks_blocked();
            EXPECT_THAT(
                text_of<invalid_reschedule>([&] { lowlevel::reschedule(self, outcome<long>(1)); }),
                AllOf(HasSubstr("another type"), HasSubstr("outcome<T>")));
            EXPECT_THAT(
                text_of<usage_error>([&] { lowlevel::reschedule(self, std::exception_ptr()); }), HasSubstr("null"));
            lowlevel::reschedule(self, outcome<int>(7));
            EXPECT_THAT(
                text_of<invalid_reschedule>([&] { lowlevel::reschedule(self, outcome<int>(8)); }), each_park_takes_one);
        });
        EXPECT_EQ(lowlevel::park<int>([](const lowlevel::raise_cancel&) { return lowlevel::abort::failed; }), 7);
    });
}

}  // namespace
}  // namespace tombolo::testing
