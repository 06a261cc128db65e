#include "fibers/core/run_registry.hpp"

#include <tombolo/fibers/checkpoint.hpp>
#include <tombolo/fibers/run.hpp>

#include <gtest/gtest.h>

#include <barrier>
#include <thread>
#include <vector>

namespace tombolo::testing {
namespace {

// What the debugger reads of it is tested by test/gdb.

TEST(run_registry, holds_a_run_for_as_long_as_it_lasts) {
    EXPECT_EQ(tombolo_runs.first, nullptr);
    const kernel::registered_run* during = nullptr;
    run([&] { during = tombolo_runs.first; });
    EXPECT_NE(during, nullptr);
    EXPECT_EQ(tombolo_runs.first, nullptr);
}

TEST(run_registry, forgets_a_run_that_throws) {
    EXPECT_THROW(run([] { throw 1; }), int);
    EXPECT_EQ(tombolo_runs.first, nullptr);
}

TEST(run_registry, is_empty_again_after_many_runs_on_many_threads) {
    constexpr int threads = 4;
    std::barrier together(threads);
    int filled = 0;
    {
        std::vector<std::jthread> runners;
        for (int i = 0; i < threads; ++i)
            runners.emplace_back([&, i] {
                for (int k = 0; k < 50; ++k) run([] { checkpoint(); });
                run([&] {
                    together.arrive_and_wait();
                    if (i == 0) filled = tombolo_runs.first != nullptr ? 1 : 0;
                    together.arrive_and_wait();
                });
            });
    }
    EXPECT_EQ(filled, 1);
    EXPECT_EQ(tombolo_runs.first, nullptr);
}

}  // namespace
}  // namespace tombolo::testing
