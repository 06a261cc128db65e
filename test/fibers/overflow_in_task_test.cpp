#include "fibers/context/sanitizer.hpp"

#include <tombolo/fibers/checkpoint.hpp>
#include <tombolo/fibers/nursery.hpp>
#include <tombolo/fibers/run.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <cstdlib>
#include <thread>

#include <sys/wait.h>

namespace tombolo::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

volatile int recursion_limit = 1'000'000'000;

[[gnu::noinline]] int recurse(int depth) {
    volatile char frame[256];
    frame[0] = static_cast<char>(depth);
    if (depth == recursion_limit) return 0;
    return recurse(depth + 1) + frame[0];
}

void overflow_the_stack() {
    if (recurse(0) == 42) std::abort();
}

void dereference_null() {
    volatile int* volatile nowhere = nullptr;
    *nowhere = 1;
}

/// A sanitizer's own handler, which was there first, prints a report and exits.
bool died_of_the_fault(int status) {
#if defined(TOMBOLO_ASAN) || defined(TOMBOLO_TSAN)
    return WIFEXITED(status) && WEXITSTATUS(status) != 0;
#else
    return ::testing::KilledBySignal(SIGSEGV)(status);
#endif
}

/// Runs `body` in a task beside others that have been running for a while.
template <class Body>
void run_among_others(Body body, spawn_options options) {
    run([&] {
        open_nursery([&](nursery& n) {
            const auto busy = [] {
                for (int i = 0; i < 100; ++i) checkpoint();
            };
            n.start_soon(busy, {.name = "innocent"});
            n.start_soon(
                [&] {
                    for (int i = 0; i < 10; ++i) checkpoint();
                    body();
                },
                options);
            n.start_soon(busy, {.name = "innocent"});
        });
    });
}

TEST(overflow_in_task, names_the_task_its_stack_and_the_remedy_and_dies_by_the_signal) {
    EXPECT_EXIT(
        run_among_others(overflow_the_stack, {.name = "deep thought", .stack_size = 64 * 1024}), died_of_the_fault,
        AllOf(
            HasSubstr("stack overflow in task \"deep thought\""), HasSubstr("65536 bytes"),
            HasSubstr("{.stack_size = 131072}"), Not(HasSubstr("innocent"))));
}

TEST(overflow_in_task, tells_the_default_size_when_none_was_asked_for) {
    EXPECT_EXIT(
        run_among_others(overflow_the_stack, {.name = "deep thought"}), died_of_the_fault,
        AllOf(HasSubstr("\"deep thought\""), HasSubstr("262144 bytes")));
}

TEST(overflow_in_task, tells_the_size_that_the_run_was_given) {
    EXPECT_EXIT(
        run(overflow_the_stack, {.stack_size = 128 * 1024}), died_of_the_fault,
        AllOf(HasSubstr("stack overflow in task \"main\""), HasSubstr("131072 bytes")));
}

struct unnamed_worker {
    void operator()() const { overflow_the_stack(); }
};

TEST(overflow_in_task, calls_a_task_without_a_name_by_its_type) {
    EXPECT_EXIT(
        run([] { open_nursery([](nursery& n) { n.start_soon(unnamed_worker{}); }); }), died_of_the_fault,
        AllOf(HasSubstr("stack overflow in task"), HasSubstr("unnamed_worker")));
}

TEST(overflow_in_task, is_reported_in_runs_of_other_threads_too) {
    const auto run_on_a_thread = [] {
        std::thread([] { run_among_others(overflow_the_stack, {.name = "deep thought"}); }).join();
    };
    EXPECT_EXIT(run_on_a_thread(), died_of_the_fault, HasSubstr("stack overflow in task \"deep thought\""));
}

TEST(overflow_in_task, is_reported_on_a_stack_that_another_task_has_used_before) {
    const auto run_one_after_another = [] {
        run([] {
            open_nursery([](nursery& n) { n.start_soon([] {}, {.name = "first"}); });
            open_nursery([](nursery& n) { n.start_soon(overflow_the_stack, {.name = "second"}); });
        });
    };
    EXPECT_EXIT(
        run_one_after_another(), died_of_the_fault,
        AllOf(HasSubstr("stack overflow in task \"second\""), Not(HasSubstr("\"first\""))));
}

TEST(overflow_in_task, a_null_dereference_in_a_task_is_not_claimed) {
    EXPECT_EXIT(
        run_among_others(dereference_null, {.name = "careless"}), died_of_the_fault,
        Not(HasSubstr("tombolo: stack overflow")));
}

TEST(overflow_in_task, a_recursion_that_fits_is_none) {
    recursion_limit = 100;
    run_among_others(overflow_the_stack, {.stack_size = 128 * 1024});
    recursion_limit = 1'000'000'000;
}

}  // namespace
}  // namespace tombolo::testing
