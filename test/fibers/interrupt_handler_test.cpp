#include "test/fibers/interruptible_runs.hpp"
#include "test/fibers/thrown.hpp"

#include <tombolo/fibers/checkpoint.hpp>
#include <tombolo/fibers/keyboard_interrupt.hpp>
#include <tombolo/fibers/run.hpp>
#include <tombolo/fibers/system_task.hpp>
#include <tombolo/fibers/timeouts.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <csignal>
#include <stdexcept>
#include <thread>

#include <unistd.h>

namespace tombolo::testing {
namespace {

using namespace std::chrono_literals;

/// What becomes of interrupts at the end of a run, and who SIGINT belongs to.
class interrupt_handler : public interruptible_runs {};

void (*current_sigint_handler())(int) {
    struct sigaction current{};
    EXPECT_EQ(::sigaction(SIGINT, nullptr, &current), 0);
    return current.sa_handler;
}

// R18
TEST_F(interrupt_handler, still_pending_at_the_end_replaces_the_result) {
    try {
        run_main([] {
            press_ctrl_c();
            return 42;
        });
        ADD_FAILURE() << "the interrupt got lost";
    } catch (const keyboard_interrupt& interrupt) {
        EXPECT_EQ(interrupt.context(), nullptr);
    }
}

// R18
TEST_F(interrupt_handler, still_pending_at_the_end_keeps_the_main_tasks_error_as_its_context) {
    try {
        run_main([] {
            press_ctrl_c();
            throw std::runtime_error("main's own");
        });
        ADD_FAILURE() << "the interrupt got lost";
    } catch (const keyboard_interrupt& interrupt) {
        EXPECT_EQ(shape(interrupt.context()), "main's own");
    }
}

TEST_F(interrupt_handler, pressed_while_the_run_shuts_down_is_not_lost) {
    const auto main = [] {
        lowlevel::spawn_system_task([] {
            try {
                sleep_forever();
            } catch (const cancelled&) {
                press_ctrl_c();
                throw;
            }
        });
        checkpoint();
        return 1;
    };
    EXPECT_TRUE(is_interrupted_in([&] { run_main(main); }));
}

TEST_F(interrupt_handler, of_one_run_does_not_reach_the_next) {
    EXPECT_TRUE(is_interrupted_in([&] { run_main(press_ctrl_c); }));
    run_main([] {
        checkpoint();
        sleep_for(1s);
    });
}

TEST_F(interrupt_handler, wakes_a_run_that_sleeps_in_the_kernel) {
    std::thread presser;
    EXPECT_TRUE(is_interrupted_in([&] {
        run([&] {
            presser = std::thread([] { ::kill(::getpid(), SIGINT); });
            sleep_for(24h);
        });
    }));
    presser.join();
}

TEST_F(interrupt_handler, belongs_to_the_run_only_while_it_lasts) {
    EXPECT_EQ(current_sigint_handler(), SIG_DFL);
    run_main([] {
        EXPECT_NE(current_sigint_handler(), SIG_DFL);
        EXPECT_NE(current_sigint_handler(), SIG_IGN);
    });
    EXPECT_EQ(current_sigint_handler(), SIG_DFL);
    EXPECT_THROW(run_main([] { throw std::runtime_error("crash"); }), std::runtime_error);
    EXPECT_EQ(current_sigint_handler(), SIG_DFL);
}

volatile std::sig_atomic_t users_handler_called = 0;
void users_handler(int) { users_handler_called = users_handler_called + 1; }

TEST_F(interrupt_handler, is_left_to_a_handler_that_the_program_has_installed) {
    users_handler_called = 0;
    std::signal(SIGINT, users_handler);
    run_main([] {
        EXPECT_EQ(current_sigint_handler(), users_handler);
        press_ctrl_c();
        checkpoint();
        EXPECT_EQ(users_handler_called, 1);
    });
    EXPECT_EQ(current_sigint_handler(), users_handler);
}

TEST_F(interrupt_handler, stays_ignored_when_the_program_ignores_it) {
    std::signal(SIGINT, SIG_IGN);
    run_main([] {
        press_ctrl_c();
        checkpoint();
    });
    EXPECT_EQ(current_sigint_handler(), SIG_IGN);
}

TEST_F(interrupt_handler, is_not_taken_back_from_a_handler_installed_during_the_run) {
    run_main([] { std::signal(SIGINT, users_handler); });
    EXPECT_EQ(current_sigint_handler(), users_handler);
}

TEST_F(interrupt_handler, is_not_taken_by_a_run_on_another_thread) {
    std::thread([&] { run_main([] { EXPECT_EQ(current_sigint_handler(), SIG_DFL); }); }).join();
    run_main([&] {
        const auto ours = current_sigint_handler();
        std::thread([&] { run_main([&] { EXPECT_EQ(current_sigint_handler(), ours); }); }).join();
        EXPECT_EQ(current_sigint_handler(), ours);
        std::thread([&] {
            run_main([] {
                press_ctrl_c();
                for (int i = 0; i < 3; ++i) checkpoint();
            });
        }).join();
        EXPECT_TRUE(is_interrupted_in([] { checkpoint(); })) << "it is the main thread's run that is interrupted";
    });
}

}  // namespace
}  // namespace tombolo::testing
