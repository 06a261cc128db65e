#include <tombolo/testing/test.hpp>

#include "fibers/context/stack_pool.hpp"
#include "test/fibers/thrown.hpp"

#include <tombolo/base/unique_fd.hpp>
#include <tombolo/fibers/checkpoint.hpp>
#include <tombolo/fibers/errors.hpp>
#include <tombolo/fibers/nursery.hpp>
#include <tombolo/fibers/run.hpp>
#include <tombolo/fibers/task.hpp>
#include <tombolo/fibers/timeouts.hpp>
#include <tombolo/testing/test_run.hpp>
#include <tombolo/testing/wait_all_tasks_blocked.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <set>
#include <stdexcept>
#include <string>

#include <fcntl.h>
#include <unistd.h>

namespace tombolo::testing {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

/// Sets TOMBOLO_TEST_SEED, and puts back what the caller of this program had set.
class seed_variable {
public:
    explicit seed_variable(const char* value) {
        if (const char* before = std::getenv(name)) before_ = before;
        value != nullptr ? ::setenv(name, value, 1) : ::unsetenv(name);
    }
    ~seed_variable() { before_.empty() ? ::unsetenv(name) : ::setenv(name, before_.c_str(), 1); }
    seed_variable(const seed_variable&) = delete;
    seed_variable& operator=(const seed_variable&) = delete;

private:
    static constexpr const char* name = "TOMBOLO_TEST_SEED";
    std::string before_;
};

/// In which order eight tasks make their steps, over three passes.
std::string order_of_steps() {
    std::string order;
    const test_report report = run_test_body([&] {
        open_nursery([&](nursery& n) {
            for (char name = 'a'; name < 'i'; ++name) {
                n.start_soon([&order, name] {
                    for (int i = 0; i < 3; ++i) {
                        order += name;
                        checkpoint();
                    }
                });
            }
        });
    });
    EXPECT_THAT(report.failure, IsEmpty());
    return order;
}

std::string failure_of(const std::function<void()>& body) { return run_test_body(body).failure; }

int open_null() { return ::open("/dev/null", O_RDONLY | O_CLOEXEC); }

TEST(test_run, a_body_that_returns_has_not_failed) {
    bool ran = false;
    EXPECT_THAT(failure_of([&] { ran = true; }), IsEmpty());
    EXPECT_TRUE(ran);
}

TEST(test_run, takes_its_seed_from_the_environment_and_reports_it) {
    const seed_variable fixed("18446744073709551615");
    EXPECT_EQ(run_test_body([] {}).seed, 18446744073709551615U);
}

TEST(test_run, takes_another_seed_every_time_when_none_is_given) {
    const seed_variable none(nullptr);
    std::set<std::uint64_t> seeds;
    for (int i = 0; i < 10; ++i) seeds.insert(run_test_body([] {}).seed);
    EXPECT_GT(seeds.size(), 1U);
}

TEST(test_run, the_same_seed_gives_the_same_order_of_tasks) {
    for (const char* seed : {"1", "2", "3"}) {
        const seed_variable fixed(seed);
        const std::string first = order_of_steps();
        EXPECT_EQ(first.size(), 24U);
        for (int i = 0; i < 5; ++i) EXPECT_EQ(order_of_steps(), first);
    }
}

TEST(test_run, other_seeds_give_other_orders) {
    std::set<std::string> orders;
    for (int seed = 0; seed < 10; ++seed) {
        const seed_variable fixed(std::to_string(seed).c_str());
        orders.insert(order_of_steps());
    }
    EXPECT_GT(orders.size(), 5U);
}

TEST(test_run, repeats_a_reported_seed) {
    std::string random_order;
    std::uint64_t seed = 0;
    {
        const seed_variable none(nullptr);
        const test_report report = run_test_body([&] {
            open_nursery([&](nursery& n) {
                for (char name = 'a'; name < 'i'; ++name) n.start_soon([&, name] { random_order += name; });
            });
        });
        seed = report.seed;
    }
    const seed_variable fixed(std::to_string(seed).c_str());
    std::string again;
    run_test_body([&] {
        open_nursery([&](nursery& n) {
            for (char name = 'a'; name < 'i'; ++name) n.start_soon([&, name] { again += name; });
        });
    });
    EXPECT_EQ(again, random_order);
}

constexpr const char* fail_on_purpose = "TOMBOLO_TEST_FAILS_ON_PURPOSE";

TOMBOLO_TEST(test_run, the_macro_fails_a_test_exactly_when_its_body_does) {
    if (std::getenv(fail_on_purpose) != nullptr) ADD_FAILURE() << "on purpose";
}

std::string output_of_this_program(const std::string& environment) {
    const std::string command = environment + " '" + std::string("/proc/") + std::to_string(::getpid()) +
        "/exe' --gtest_filter=test_run.the_macro_fails_a_test_exactly_when_its_body_does 2>&1";
    std::FILE* pipe = ::popen(command.c_str(), "r");
    EXPECT_NE(pipe, nullptr);
    std::string output;
    char part[256];
    while (pipe != nullptr && std::fgets(part, sizeof part, pipe) != nullptr) output += part;
    if (pipe != nullptr) ::pclose(pipe);
    return output;
}

TEST(test_run, the_macro_prints_the_seed_when_the_test_fails_and_only_then) {
    EXPECT_THAT(
        output_of_this_program(std::string(fail_on_purpose) + "=1 TOMBOLO_TEST_SEED=4711"),
        AllOf(HasSubstr("on purpose"), HasSubstr("FAILED"), HasSubstr("TOMBOLO_TEST_SEED=4711")));
    EXPECT_THAT(output_of_this_program("TOMBOLO_TEST_SEED=4711"), AllOf(HasSubstr("PASSED"), Not(HasSubstr("4711"))));
}

TEST(test_run, an_exception_out_of_the_body_is_reported) {
    EXPECT_THAT(
        failure_of([] { throw std::runtime_error("out of cheese"); }),
        AllOf(HasSubstr("the test body threw"), HasSubstr("out of cheese")));
}

TEST(test_run, an_exception_out_of_a_child_is_reported) {
    const auto body = [] {
        open_nursery([](nursery& n) { n.start_soon([] { throw std::runtime_error("redo from start"); }); });
    };
    EXPECT_THAT(failure_of(body), HasSubstr("redo from start"));
}

TEST(test_run, a_body_that_can_never_go_on_is_reported_with_the_task_tree) {
    EXPECT_THAT(
        failure_of([] { sleep_forever(); }),
        AllOf(HasSubstr("deadlock"), HasSubstr("main"), HasSubstr("parked in sleep_forever")));
}

TEST(test_run, a_descriptor_left_open_is_reported_with_what_it_is) {
    unique_fd left;
    const std::string failure = failure_of([&] { left.reset(open_null()); });
    EXPECT_THAT(failure, HasSubstr("left a descriptor open: " + std::to_string(left.get()) + " -> /dev/null"));
    EXPECT_THAT(failure_of([] {}), IsEmpty()) << "it was open before this one";
}

TEST(test_run, a_descriptor_that_was_closed_again_is_not_reported) {
    const unique_fd before(open_null());
    EXPECT_THAT(failure_of([] { const unique_fd inside(open_null()); }), IsEmpty());
}

TEST(test_run, a_descriptor_that_became_another_file_is_reported) {
    const unique_fd before(open_null());
    const auto body = [&] {
        const unique_fd zero(::open("/dev/zero", O_RDONLY | O_CLOEXEC));
        ::dup2(zero.get(), before.get());
    };
    EXPECT_THAT(failure_of(body), AllOf(HasSubstr("left a descriptor open"), HasSubstr("/dev/zero")));
}

TEST(test_run, what_a_run_opens_to_sleep_is_not_left_open) {
    EXPECT_THAT(failure_of([] { wait_all_tasks_blocked(1us); }), IsEmpty());
}

TEST(test_run, a_stack_left_in_use_is_reported) {
    kernel::stack* left = nullptr;
    const auto body = [&] { left = &kernel::this_thread_stack_pool().allocate(kernel::default_stack_size); };
    EXPECT_THAT(failure_of(body), HasSubstr("1 fiber stacks in use"));
    kernel::this_thread_stack_pool().release(*left);
    EXPECT_THAT(failure_of([] {}), IsEmpty());
}

TEST(test_run, one_after_another_start_at_time_zero) {
    for (int i = 0; i < 2; ++i) {
        const auto body = [] {
            EXPECT_EQ(test_clock().elapsed(), 0s);
            sleep_for(100h);
            EXPECT_EQ(test_clock().elapsed(), 100h);
        };
        EXPECT_THAT(failure_of(body), IsEmpty());
    }
}

TEST(test_run, has_a_clock_only_while_it_lasts) {
    EXPECT_THAT(text_of<usage_error>([] { test_clock(); }), AllOf(HasSubstr("test_clock"), HasSubstr("TOMBOLO_TEST")));
    run_test_body([] { test_clock(); });
    text_of<usage_error>([] { test_clock(); });
}

TOMBOLO_TEST(test_run, the_macro_makes_its_body_the_main_task_of_a_run) {
    EXPECT_TRUE(in_task());
    EXPECT_EQ(lowlevel::current_task().name(), "main");
    sleep_for(1h);
    EXPECT_EQ(test_clock().elapsed(), 1h);
}

}  // namespace
}  // namespace tombolo::testing
