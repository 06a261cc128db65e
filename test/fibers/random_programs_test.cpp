#include "test/fibers/random_program.hpp"

#include <tombolo/testing/mock_clock.hpp>
#include <tombolo/tombolo.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <random>

// Programs of nested scopes, nurseries, starts, timeouts and shields that nobody would write by hand, against a model.

namespace {

namespace tb = tombolo;
using namespace std::chrono_literals;
using tb::testing::random_program;
using tb::testing::random_program_counts;

/// An instrument that watches steps makes the run take every switch through its loop.
class step_watcher final : public tb::instrument {
public:
    void before_task_step(tb::task&) override { ++steps; }
    int steps = 0;
};

/// Runs the program of `seed`; the options are completed with a clock and deadlock detection. Returns its trace.
std::uint64_t run_program(std::uint64_t seed, tb::run_options options, random_program_counts* counts = nullptr) {
    tb::testing::mock_clock clock{{.autojump_threshold = 0s}};
    options.clock = &clock;
    options.detect_deadlock = true;
    random_program program(seed);
    tb::run([&] { program.run(); }, options);
    EXPECT_EQ(program.failure(), "") << "seed " << seed;
    if (counts != nullptr) {
        const random_program_counts& ran = program.counts();
        counts->absorbed += ran.absorbed;
        counts->passed_on += ran.passed_on;
        counts->aborted_sleeps += ran.aborted_sleeps;
        counts->full_sleeps += ran.full_sleeps;
        counts->moved_children += ran.moved_children;
        counts->kept_children += ran.kept_children;
        counts->groups += ran.groups;
        counts->abort_functions += ran.abort_functions;
    }
    return program.trace();
}

constexpr std::uint64_t seeds = 300;

TEST(random_programs, agree_with_the_model_of_who_is_cancelled) {
    random_program_counts counts;
    for (std::uint64_t seed = 0; seed < seeds; ++seed) run_program(seed, {.seed = seed}, &counts);
    EXPECT_GT(counts.absorbed, 100);
    EXPECT_GT(counts.passed_on, 100);
    EXPECT_GT(counts.aborted_sleeps, 100);
    EXPECT_GT(counts.full_sleeps, 100);
    EXPECT_GT(counts.moved_children, 100);
    EXPECT_GT(counts.kept_children, 50);
    EXPECT_GT(counts.groups, 100);
    EXPECT_GT(counts.abort_functions, 100);
}

TEST(random_programs, agree_with_the_model_in_new_programs_every_time) {
    const std::uint64_t first = std::random_device{}();
    for (std::uint64_t seed = first; seed < first + 100; ++seed) run_program(seed, {.seed = seed});
}

TEST(random_programs, agree_with_the_model_in_the_order_of_a_run_without_a_seed) {
    for (std::uint64_t seed = 0; seed < 100; ++seed) run_program(seed, {});
}

TEST(random_programs, run_the_same_way_again_with_the_same_seed) {
    for (std::uint64_t seed = 0; seed < 100; ++seed)
        EXPECT_EQ(run_program(seed, {.seed = seed}), run_program(seed, {.seed = seed})) << "seed " << seed;
}

TEST(random_programs, run_the_same_way_under_an_instrument_that_watches_every_step) {
    for (std::uint64_t seed = 0; seed < 100; ++seed) {
        step_watcher watcher;
        EXPECT_EQ(run_program(seed, {.instruments = {&watcher}, .seed = seed}), run_program(seed, {.seed = seed}))
            << "seed " << seed;
        EXPECT_GT(watcher.steps, 0);
    }
}

TEST(random_programs, run_in_another_order_with_another_seed) {
    int different = 0;
    for (std::uint64_t seed = 0; seed < 50; ++seed)
        different += run_program(seed, {.seed = 1}) != run_program(seed, {.seed = 2});
    EXPECT_GT(different, 0) << "or the seeds shuffle nothing and the other tests here mean little";
}

}  // namespace
