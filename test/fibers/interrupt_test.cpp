#include "test/fibers/cancellation.hpp"
#include "test/fibers/interruptible_runs.hpp"
#include "test/fibers/thrown.hpp"
#include "test/support/descriptors.hpp"

#include <tombolo/base/outcome.hpp>
#include <tombolo/base/scope_exit.hpp>
#include <tombolo/fibers/cancel_scope.hpp>
#include <tombolo/fibers/checkpoint.hpp>
#include <tombolo/fibers/keyboard_interrupt.hpp>
#include <tombolo/fibers/nursery.hpp>
#include <tombolo/fibers/parking_lot.hpp>
#include <tombolo/fibers/run_token.hpp>
#include <tombolo/fibers/statistics.hpp>
#include <tombolo/fibers/system_task.hpp>
#include <tombolo/fibers/timeouts.hpp>
#include <tombolo/fibers/wait_fd.hpp>
#include <tombolo/testing/wait_all_tasks_blocked.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <optional>
#include <stdexcept>

namespace tombolo::testing {
namespace {

using namespace std::chrono_literals;
using lowlevel::currently_interrupt_protected;
using lowlevel::interrupt_guard;
using mode = lowlevel::interrupt_guard::mode;

class interrupt : public interruptible_runs {};

// R18, L27
TEST_F(interrupt, ends_a_wait_of_the_main_task) {
    bool cleaned_up = false;
    const auto main = [&] {
        open_nursery([&](nursery& n) {
            n.start_soon(press_when_idle);
            const scope_exit clean_up([&] { cleaned_up = true; });
            EXPECT_TRUE(is_interrupted_in([] { sleep_forever(); }));
            throw std::runtime_error("the interrupt is over");
        });
    };
    EXPECT_THROW(run_main(main), exception_group);
    EXPECT_TRUE(cleaned_up);
}

TEST_F(interrupt, leaves_the_run_when_nobody_catches_it) {
    const std::exception_ptr thrown = thrown_by([&] {
        run_main([] {
            press_ctrl_c();
            checkpoint();
        });
    });
    ASSERT_TRUE(holds<keyboard_interrupt>(thrown));
    EXPECT_FALSE(holds<std::exception>(thrown)) << "no handler of std::exception may swallow it";
}

TEST_F(interrupt, surfaces_at_a_checkpoint_and_not_before) {
    run_main([&] {
        press_ctrl_c();
        lowlevel::cancel_shielded_checkpoint();
        now();
        EXPECT_TRUE(is_interrupted_in([] { checkpoint(); }));
        checkpoint();
    });
}

// S22
TEST_F(interrupt, surfaces_at_checkpoint_if_cancelled_even_when_the_task_never_yields) {
    run_main([&] {
        lowlevel::checkpoint_if_cancelled();
        press_ctrl_c();
        EXPECT_TRUE(is_interrupted_in([] { lowlevel::checkpoint_if_cancelled(); }));
        lowlevel::checkpoint_if_cancelled();
    });
}

TEST_F(interrupt, of_any_wait_withdraws_what_the_wait_had_set_up) {
    const open_pipe pipe;
    lowlevel::parking_lot lot;
    run_main([&] {
        const std::function<void()> waits[] = {
            [&] { lot.park(); },      [&] { lowlevel::wait_readable(pipe.reader.get()); },
            [] { sleep_for(1h); },    [] { wait_all_tasks_blocked(1h); },
            [] { park_willingly(); },
        };
        for (const auto& wait : waits) {
            open_nursery([&](nursery& n) {
                n.start_soon(press_when_idle);
                EXPECT_TRUE(is_interrupted_in(wait));
            });
            EXPECT_TRUE(lot.empty());
            EXPECT_EQ(lowlevel::current_statistics().io.tasks_waiting_read, 1U);
            EXPECT_EQ(lowlevel::current_statistics().time_to_next_deadline, duration::max());
            checkpoint();
        }
    });
}

TEST_F(interrupt, already_pending_ends_a_wait_before_it_begins) {
    run_main([] {
        press_ctrl_c();
        EXPECT_TRUE(is_interrupted_in([] { sleep_forever(); }));
    });
}

TEST_F(interrupt, pressed_twice_before_it_is_noticed_is_one_and_pressed_again_later_another) {
    run_main([] {
        press_ctrl_c();
        press_ctrl_c();
        EXPECT_TRUE(is_interrupted_in([] { checkpoint(); }));
        checkpoint();
        press_ctrl_c();
        EXPECT_TRUE(is_interrupted_in([] { checkpoint(); }));
        checkpoint();
    });
}

// L26
TEST_F(interrupt, waits_until_the_main_task_is_protected_no_more) {
    run_main([] {
        {
            const interrupt_guard guard(mode::protect);
            press_ctrl_c();
            for (int i = 0; i < 3; ++i) checkpoint();
            sleep_for(1s);
            lowlevel::checkpoint_if_cancelled();
        }
        EXPECT_TRUE(is_interrupted_in([] { checkpoint(); }));
    });
}

TEST_F(interrupt, does_not_disturb_a_protected_wait) {
    run_main([] {
        open_nursery([](nursery& n) {
            n.start_soon(press_when_idle);
            const interrupt_guard guard(mode::protect);
            sleep_for(1h);
        });
        EXPECT_TRUE(is_interrupted_in([] { checkpoint(); }));
    });
}

TEST_F(interrupt, guards_nest) {
    run_main([] {
        EXPECT_FALSE(currently_interrupt_protected());
        const interrupt_guard outer(mode::protect);
        EXPECT_TRUE(currently_interrupt_protected());
        press_ctrl_c();
        checkpoint();
        {
            const interrupt_guard inner(mode::allow);
            EXPECT_FALSE(currently_interrupt_protected());
            EXPECT_TRUE(is_interrupted_in([] { checkpoint(); }));
            {
                const interrupt_guard innermost(mode::protect);
                EXPECT_TRUE(currently_interrupt_protected());
            }
            EXPECT_FALSE(currently_interrupt_protected());
        }
        EXPECT_TRUE(currently_interrupt_protected());
        checkpoint();
    });
}

// L26
TEST_F(interrupt, concerns_no_task_but_the_main_one) {
    int passed = 0;
    const auto press_and_pass = [&] {
        press_ctrl_c();
        for (int i = 0; i < 5; ++i) checkpoint();
        const interrupt_guard even_if_it_allows(mode::allow);
        EXPECT_TRUE(currently_interrupt_protected());
        checkpoint();
        ++passed;
    };
    const auto main = [&] {
        const interrupt_guard until_the_end(mode::protect);
        lowlevel::spawn_system_task(press_and_pass);
        open_nursery([&](nursery& n) { n.start_soon(press_and_pass); });
        lowlevel::current_run_token().run_sync_soon([&] {
            EXPECT_TRUE(currently_interrupt_protected());
            press_ctrl_c();
            ++passed;
        });
        wait_all_tasks_blocked();
    };
    EXPECT_TRUE(is_interrupted_in([&] { run_main(main); }));
    EXPECT_EQ(passed, 3);
    EXPECT_TRUE(currently_interrupt_protected()) << "outside of any task";
}

// C-11
TEST_F(interrupt, comes_before_a_cancellation_at_the_same_checkpoint) {
    run_main([] {
        cancel_scope scope;
        scope.run([&] {
            scope.cancel();
            press_ctrl_c();
            EXPECT_TRUE(is_interrupted_in([] { checkpoint(); }));
            EXPECT_TRUE(is_cancelled_in([] { checkpoint(); }));
            press_ctrl_c();
            EXPECT_TRUE(is_interrupted_in([] { sleep_forever(); }));
            checkpoint();
        });
        EXPECT_TRUE(scope.cancelled_caught());
    });
}

TEST_F(interrupt, is_not_kept_out_by_a_shield) {
    run_main([] {
        cancel_scope scope{{.shield = true}};
        scope.run([] {
            press_ctrl_c();
            EXPECT_TRUE(is_interrupted_in([] { checkpoint(); }));
        });
    });
}

// C-11: a wait that refuses to be aborted
TEST_F(interrupt, refused_by_a_wait_surfaces_at_the_next_checkpoint) {
    run_main([] {
        task& self = lowlevel::current_task();
        open_nursery([&](nursery& n) {
            n.start_soon([&] {
                press_when_idle();
                wait_all_tasks_blocked();
                lowlevel::reschedule(self, outcome<int>(7));
            });
            bool asked = false;
            const int got = lowlevel::park<int>([&](const lowlevel::raise_cancel& raise) {
                EXPECT_FALSE(std::exchange(asked, true)) << "once per wait";
                EXPECT_TRUE(raise.is_keyboard_interrupt());
                return lowlevel::abort::failed;
            });
            EXPECT_EQ(got, 7);
            EXPECT_TRUE(asked);
            EXPECT_TRUE(is_interrupted_in([] { checkpoint(); }));
        });
    });
}

// L7
TEST_F(interrupt, delivered_late_by_a_slow_abort_counts_as_delivered) {
    run_main([] {
        task& self = lowlevel::current_task();
        open_nursery([&](nursery& n) {
            std::optional<lowlevel::raise_cancel> saved;
            n.start_soon([&] {
                press_when_idle();
                wait_all_tasks_blocked();
                lowlevel::reschedule(self, outcome<>::capture(saved.value()));
            });
            EXPECT_TRUE(is_interrupted_in([&] {
                lowlevel::park([&](const lowlevel::raise_cancel& raise) {
                    saved = raise;
                    return lowlevel::abort::failed;
                });
            }));
            checkpoint();
        });
    });
}

// N11, C-9
TEST_F(interrupt, during_a_nurserys_exit_is_stored_and_cancels_the_children) {
    std::optional<cancel_reason> reason;
    const std::exception_ptr thrown = thrown_by([&] {
        run_main([&] {
            open_nursery([&](nursery& n) {
                n.start_soon(press_when_idle);
                n.start_soon([&] {
                    reason = cancellation_of([] { sleep_forever(); });
                    throw std::runtime_error("child");
                });
            });
        });
    });
    ASSERT_TRUE(reason);
    EXPECT_EQ(reason->source, cancel_source::keyboard_interrupt);
    ASSERT_TRUE(holds<base_exception_group>(thrown));
    EXPECT_FALSE(holds<exception_group>(thrown));
    const auto& group = group_in(thrown);
    ASSERT_EQ(group.exceptions().size(), 2U);
    EXPECT_TRUE(holds<keyboard_interrupt>(group.exceptions()[0])) << "it came first";
    EXPECT_TRUE(holds<std::runtime_error>(group.exceptions()[1]));
}

TEST_F(interrupt, during_start_ends_the_starting_child_and_leaves_start_bare) {
    bool child_was_cancelled = false;
    run_main([&] {
        open_nursery([&](nursery& n) {
            n.start_soon(press_when_idle);
            EXPECT_TRUE(is_interrupted_in([&] {
                n.start([&](task_status<>&) {
                    const scope_exit note([&] { child_was_cancelled = true; });
                    sleep_forever();
                });
            }));
            EXPECT_TRUE(child_was_cancelled);
            EXPECT_FALSE(n.cancel_scope().cancel_called());
        });
    });
}

TEST(interrupt_guard, needs_a_task_to_guard) {
    EXPECT_THAT(
        text_of<not_in_run>([] { const interrupt_guard guard(mode::protect); }), ::testing::HasSubstr("tombolo::run"));
}

}  // namespace
}  // namespace tombolo::testing
