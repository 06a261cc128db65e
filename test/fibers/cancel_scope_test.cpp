#include "test/fibers/cancellation.hpp"

#include <tombolo/testing/sequencer.hpp>
#include <tombolo/testing/test.hpp>
#include <tombolo/testing/wait_all_tasks_blocked.hpp>
#include <tombolo/tombolo.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <thread>
#include <vector>

#include <unistd.h>

namespace {

namespace tb = tombolo;
using namespace std::chrono_literals;
using tb::testing::is_cancelled_in;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

TOMBOLO_TEST(cancel_scope, returns_what_its_body_returns) {
    EXPECT_EQ(tb::cancel_scope().run([] { return 42; }), std::optional(42));
    EXPECT_TRUE(tb::cancel_scope().run([] {}));
    int target = 0;
    EXPECT_EQ(tb::cancel_scope().run([&]() -> int& { return target; }), &target);
    const auto moved = tb::cancel_scope().run([] { return std::make_unique<int>(7); });
    ASSERT_TRUE(moved.has_value());
    EXPECT_EQ(**moved, 7);
}

TOMBOLO_TEST(cancel_scope, returns_nothing_when_it_has_ended_its_body) {
    tb::cancel_scope with_value;
    with_value.cancel();
    EXPECT_EQ(with_value.run([] { return tb::checkpoint(), 42; }), std::nullopt);
    EXPECT_TRUE(with_value.cancelled_caught());
    tb::cancel_scope without_value;
    without_value.cancel();
    EXPECT_FALSE(without_value.run([] { tb::checkpoint(); }));
    tb::cancel_scope with_reference;
    with_reference.cancel();
    int target = 0;
    EXPECT_EQ(with_reference.run([&]() -> int& { return tb::checkpoint(), target; }), nullptr);
}

TOMBOLO_TEST(cancel_scope, lets_other_errors_pass) {
    tb::cancel_scope scope;
    scope.cancel();
    EXPECT_THROW(scope.run([] { throw std::out_of_range("my own"); }), std::out_of_range);
    EXPECT_TRUE(scope.cancel_called());
    EXPECT_FALSE(scope.cancelled_caught());
}

// case 23
TOMBOLO_TEST(cancel_scope, ends_every_blocking_call_inside_while_it_is_cancelled) {
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    const tb::unique_fd quiet(ends[0]);
    const tb::unique_fd other_end(ends[1]);
    tb::lowlevel::parking_lot lot;
    tb::testing::sequencer sequence;
    struct blocking_call {
        const char* name;
        std::function<void()> call;
    };
    const std::vector<blocking_call> calls = {
        {"checkpoint", [] { tb::checkpoint(); }},
        {"checkpoint_if_cancelled", [] { tb::lowlevel::checkpoint_if_cancelled(); }},
        {"sleep_for", [] { tb::sleep_for(1s); }},
        {"sleep_for zero", [] { tb::sleep_for(0s); }},
        {"sleep_until the past", [] { tb::sleep_until(tb::now() - 1s); }},
        {"sleep_forever", [] { tb::sleep_forever(); }},
        {"park", [] { tb::testing::park_willingly(); }},
        {"parking_lot::park", [&] { lot.park(); }},
        {"wait_readable", [&] { tb::lowlevel::wait_readable(quiet.get()); }},
        {"wait_all_tasks_blocked", [] { tb::testing::wait_all_tasks_blocked(); }},
        {"sequencer", [&] { sequence(1, [] {}); }},
        {"nursery::start",
         [] { tb::open_nursery([](tb::nursery& n) { n.start([](tb::task_status<>&) { tb::sleep_forever(); }); }); }},
    };
    for (const blocking_call& blocking : calls) {
        tb::cancel_scope scope;
        const bool finished = scope.run([&] {
            scope.cancel();
            blocking.call();
        });
        EXPECT_FALSE(finished) << blocking.name;
        EXPECT_TRUE(scope.cancelled_caught()) << blocking.name;
    }
    EXPECT_EQ(tb::now(), tb::time_point()) << "no call has waited";
}

// case 23
TOMBOLO_TEST(cancel_scope, spares_shielded_calls_and_pure_schedule_points) {
    tb::cancel_scope scope;
    const bool finished = scope.run([&] {
        scope.cancel();
        tb::lowlevel::cancel_shielded_checkpoint();
        tb::open_nursery([](tb::nursery&) {});
        tb::cancel_scope shield{{.shield = true}};
        shield.run([] {
            tb::checkpoint();
            tb::lowlevel::checkpoint_if_cancelled();
            tb::sleep_for(1s);
            tb::testing::wait_all_tasks_blocked();
        });
        EXPECT_FALSE(shield.cancel_called());
    });
    EXPECT_TRUE(finished);
    EXPECT_FALSE(scope.cancelled_caught());
}

// case 24
TOMBOLO_TEST(cancel_scope, cancels_again_at_every_checkpoint_after_a_swallowed_cancellation) {
    tb::cancel_scope scope;
    const bool finished = scope.run([&] {
        scope.cancel();
        scope.cancel();
        for (int i = 0; i < 5; ++i) {
            EXPECT_TRUE(is_cancelled_in([] { tb::checkpoint(); }));
            EXPECT_TRUE(is_cancelled_in([] { tb::sleep_forever(); }));
            scope.cancel();
        }
    });
    EXPECT_TRUE(finished) << "a body that swallows every cancellation finishes";
    EXPECT_FALSE(scope.cancelled_caught());
    tb::checkpoint();
}

// case 25
TOMBOLO_TEST(cancel_scope, lets_a_task_spawned_into_it_start_and_run_up_to_its_first_checkpoint) {
    bool started = false;
    bool passed = false;
    tb::open_nursery([&](tb::nursery& n) {
        n.cancel_scope().cancel();
        n.start_soon([&] {
            started = true;
            tb::checkpoint();
            passed = true;
        });
    });
    EXPECT_TRUE(started);
    EXPECT_FALSE(passed);
}

TOMBOLO_TEST(cancel_scope, does_not_interrupt_the_task_that_cancels_it_before_its_next_checkpoint) {
    tb::cancel_scope scope;
    bool went_on = false;
    bool passed = false;
    scope.run([&] {
        scope.cancel();
        went_on = true;
        tb::checkpoint();
        passed = true;
    });
    EXPECT_TRUE(went_on);
    EXPECT_FALSE(passed);
}

TOMBOLO_TEST(cancel_scope, makes_blocked_tasks_runnable_before_cancel_returns_and_runs_none_of_them) {
    constexpr std::size_t sleepers = 3;
    std::size_t ended = 0;
    tb::open_nursery([&](tb::nursery& n) {
        for (std::size_t i = 0; i < sleepers; ++i)
            n.start_soon([&] {
                if (is_cancelled_in([] { tb::sleep_forever(); })) ++ended;
            });
        tb::testing::wait_all_tasks_blocked();
        const std::size_t runnable = tb::lowlevel::current_statistics().tasks_runnable;
        n.cancel_scope().cancel();
        EXPECT_EQ(tb::lowlevel::current_statistics().tasks_runnable, runnable + sleepers);
        EXPECT_EQ(ended, 0U);
    });
    EXPECT_EQ(ended, sleepers);
}

TOMBOLO_TEST(cancel_scope, is_not_the_one_that_ended_a_body_which_never_looked) {
    tb::cancel_scope scope;
    EXPECT_EQ(scope.run([&] { return scope.cancel(), 1; }), std::optional(1));
    EXPECT_TRUE(scope.cancel_called());
    EXPECT_FALSE(scope.cancelled_caught());
    tb::checkpoint();
}

// case 31
TOMBOLO_TEST(cancel_scope, can_be_cancelled_before_it_is_entered) {
    tb::cancel_scope scope;
    EXPECT_FALSE(scope.entered());
    EXPECT_FALSE(scope.cancel_called());
    scope.cancel();
    EXPECT_TRUE(scope.cancel_called());
    bool began = false;
    EXPECT_FALSE(scope.run([&] {
        EXPECT_TRUE(scope.entered());
        began = true;
        tb::checkpoint();
    }));
    EXPECT_TRUE(began) << "a body begins even so";
    EXPECT_FALSE(scope.entered());
}

// case 31
TOMBOLO_TEST(cancel_scope, keeps_the_shield_and_the_deadline_it_was_given_before_it_is_entered) {
    tb::cancel_scope outer;
    outer.run([&] {
        outer.cancel();
        tb::cancel_scope scope;
        scope.shield(true);
        scope.deadline(tb::now() + 3s);
        EXPECT_TRUE(scope.shield());
        EXPECT_FALSE(scope.run([] { tb::sleep_forever(); }));
        EXPECT_EQ(tb::now(), tb::time_point(3s));
    });
}

// case 31
TOMBOLO_TEST(cancel_scope, refuses_to_be_entered_a_second_time) {
    tb::cancel_scope scope;
    int bodies = 0;
    const auto enter_again = [&] { scope.run([&] { ++bodies; }); };
    scope.run([&] {
        EXPECT_THAT(enter_again, ThrowsMessage<tb::scope_reused>(HasSubstr("make a new cancel_scope")));
        tb::open_nursery([&](tb::nursery& n) { n.start_soon([&] { EXPECT_THROW(enter_again(), tb::scope_reused); }); });
        scope.cancel();
        EXPECT_TRUE(is_cancelled_in([] { tb::checkpoint(); })) << "the refused entries have not disturbed the scope";
    });
    EXPECT_THROW(enter_again(), tb::scope_reused);
    EXPECT_EQ(bodies, 0);
}

TOMBOLO_TEST(cancel_scope, may_be_cancelled_after_it_was_left_without_any_effect_but_the_flag) {
    tb::cancel_scope scope;
    scope.run([] { tb::checkpoint(); });
    EXPECT_FALSE(scope.cancel_called());
    scope.cancel();
    scope.shield(true);
    scope.deadline(tb::now());
    EXPECT_TRUE(scope.cancel_called());
    EXPECT_FALSE(scope.cancelled_caught());
    tb::checkpoint();
}

TOMBOLO_TEST(cancel_scope, can_be_cancelled_from_another_task_of_the_run) {
    tb::cancel_scope scope;
    tb::open_nursery([&](tb::nursery& n) {
        n.start_soon([&] {
            tb::sleep_for(2s);
            scope.cancel();
        });
        EXPECT_FALSE(scope.run([] { tb::sleep_forever(); }));
    });
    EXPECT_TRUE(scope.cancelled_caught());
    EXPECT_EQ(tb::now(), tb::time_point(2s));
}

TOMBOLO_TEST(cancel_scope, refuses_calls_from_other_threads_while_it_is_entered) {
    tb::cancel_scope scope;
    scope.run([&] {
        std::thread([&] {
            EXPECT_THAT([&] { scope.cancel(); }, ThrowsMessage<tb::wrong_thread>(HasSubstr("run_token")));
            EXPECT_THAT([&] { scope.shield(true); }, ThrowsMessage<tb::wrong_thread>(HasSubstr("run_token")));
            EXPECT_THAT(
                [&] { scope.deadline(tb::time_point()); }, ThrowsMessage<tb::wrong_thread>(HasSubstr("run_token")));
        }).join();
        EXPECT_FALSE(scope.shield());
        EXPECT_EQ(scope.deadline(), tb::time_point::max());
        EXPECT_FALSE(scope.cancel_called());
        tb::checkpoint();
    });
}

TEST(cancel_scope, cannot_be_entered_outside_a_task_and_stays_fresh_then) {
    tb::cancel_scope scope;
    bool began = false;
    EXPECT_THAT(
        [&] { scope.run([&] { began = true; }); }, ThrowsMessage<tb::not_in_run>(HasSubstr("inside tombolo::run")));
    EXPECT_FALSE(began);
    scope.cancel("before there was a run");
    EXPECT_FALSE(tb::run([&] { return scope.run([] { tb::checkpoint(); }); }));
    EXPECT_TRUE(scope.cancelled_caught());
}

TOMBOLO_TEST(cancel_scope, needs_one_deadline_at_most_and_no_negative_one) {
    EXPECT_THAT(
        [] { tb::cancel_scope({.deadline = tb::now(), .relative_deadline = 1s}); },
        ThrowsMessage<tb::usage_error>(HasSubstr("give one of them")));
    EXPECT_THAT(
        [] { tb::cancel_scope({.relative_deadline = -1ns}); },
        ThrowsMessage<tb::invalid_duration>(HasSubstr("negative")));
    tb::cancel_scope scope{{.relative_deadline = 1s}};
    EXPECT_THAT([&] { scope.relative_deadline(-1ns); }, ThrowsMessage<tb::invalid_duration>(HasSubstr("negative")));
    EXPECT_EQ(scope.relative_deadline(), 1s);
}

// case 37
TOMBOLO_TEST(cancel_scope, has_destroyed_the_locals_of_cancelled_tasks_when_the_nursery_is_left) {
    const auto resource = std::make_shared<int>(1);
    tb::open_nursery([&](tb::nursery& n) {
        for (int i = 0; i < 3; ++i)
            n.start_soon([copy = resource] {
                const auto local = copy;
                tb::sleep_forever();
            });
        tb::testing::wait_all_tasks_blocked();
        EXPECT_EQ(resource.use_count(), 1 + 2 * 3);
        n.cancel_scope().cancel();
    });
    EXPECT_EQ(resource.use_count(), 1);
}

void nest(int levels, const std::function<void()>& innermost) {
    if (levels == 0) return innermost();
    tb::cancel_scope scope;
    scope.run([&] { nest(levels - 1, innermost); });
    ADD_FAILURE() << "an inner scope has absorbed what belongs to the outermost";
}

// case 16
TOMBOLO_TEST(cancel_scope, cancels_through_thousands_of_scopes_with_little_stack) {
    tb::cancel_scope outermost;
    bool innermost_reached = false;
    tb::open_nursery([&](tb::nursery& n) {
        n.start_soon(
            [&] {
                EXPECT_FALSE(outermost.run([&] {
                    nest(5000, [&] {
                        innermost_reached = true;
                        tb::sleep_forever();
                    });
                }));
            },
            {.stack_size = 64UL << 20});
        n.start_soon(
            [&] {
                tb::testing::wait_all_tasks_blocked();
                outermost.cancel();
            },
            {.stack_size = 64UL << 10});
    });
    EXPECT_TRUE(innermost_reached);
    EXPECT_TRUE(outermost.cancelled_caught());
}

}  // namespace
