#pragma once

#include "test/fibers/default_sigint.hpp"
#include "test/fibers/thrown.hpp"

#include <tombolo/fibers/run.hpp>
#include <tombolo/testing/mock_clock.hpp>
#include <tombolo/testing/wait_all_tasks_blocked.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <csignal>
#include <random>
#include <utility>

// Keyboard interrupts, without a keyboard.
namespace tombolo::testing {

/// Runs on a clock that jumps, in a program that has left SIGINT alone.
class interruptible_runs : public ::testing::Test {
protected:
    template <class F>
    auto run_main(F main) {
        mock_clock clock{{.autojump_threshold = duration::zero()}};
        return run(main, {.clock = &clock, .seed = std::random_device{}(), .detect_deadlock = true});
    }

private:
    default_sigint as_in_a_shell_;
};

inline void press_ctrl_c() { ASSERT_EQ(std::raise(SIGINT), 0); }

inline void press_when_idle() {
    wait_all_tasks_blocked();
    press_ctrl_c();
}

template <class F>
bool is_interrupted_in(F&& f) {
    return holds<keyboard_interrupt>(thrown_by(std::forward<F>(f)));
}

}  // namespace tombolo::testing
