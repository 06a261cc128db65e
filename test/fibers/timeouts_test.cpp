#include "test/fibers/cancellation.hpp"

#include <tombolo/testing/checkpoints.hpp>
#include <tombolo/testing/test.hpp>
#include <tombolo/testing/wait_all_tasks_blocked.hpp>
#include <tombolo/tombolo.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <stdexcept>
#include <vector>

namespace {

namespace tb = tombolo;
using namespace std::chrono_literals;
using tb::testing::is_cancelled_in;
using tb::testing::test_clock;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

using seconds = std::chrono::duration<double>;
constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();
constexpr double infinity = std::numeric_limits<double>::infinity();

TOMBOLO_TEST(timeouts, move_on_returns_what_the_body_returns_in_time) {
    EXPECT_EQ(tb::move_on_after(2s, [] { return tb::sleep_for(1s), 42; }), std::optional(42));
    EXPECT_EQ(tb::move_on_at(tb::now() + 2s, [] { return tb::sleep_for(1s), 42; }), std::optional(42));
    EXPECT_TRUE(tb::move_on_after(2s, [] { tb::sleep_for(1s); }));
    EXPECT_EQ(tb::now(), tb::time_point(3s));
}

TOMBOLO_TEST(timeouts, move_on_swallows_the_cancellation_when_the_time_is_over) {
    EXPECT_EQ(tb::move_on_after(2s, [] { return tb::sleep_for(5s), 42; }), std::nullopt);
    EXPECT_EQ(tb::now(), tb::time_point(2s));
    EXPECT_FALSE(tb::move_on_at(tb::time_point(3s), [] { tb::sleep_forever(); }));
    EXPECT_EQ(tb::now(), tb::time_point(3s));
    int target = 0;
    EXPECT_EQ(tb::move_on_after(1s, [&]() -> int& { return tb::sleep_forever(), target; }), nullptr);
}

// case 39
TOMBOLO_TEST(timeouts, fail_throws_too_slow_when_the_time_is_over) {
    EXPECT_THROW(tb::fail_after(2s, [] { tb::sleep_forever(); }), tb::too_slow);
    EXPECT_EQ(tb::now(), tb::time_point(2s));
    EXPECT_THAT(
        [] { tb::fail_at(tb::time_point(3s), [] { return tb::sleep_for(9s), 1; }); },
        ThrowsMessage<tb::too_slow>(HasSubstr("before it finished")));
    EXPECT_EQ(tb::now(), tb::time_point(3s));
}

TOMBOLO_TEST(timeouts, fail_returns_what_the_body_returns_in_time) {
    EXPECT_EQ(tb::fail_after(2s, [] { return tb::sleep_for(1s), 42; }), 42);
    EXPECT_EQ(tb::fail_at(tb::now() + 2s, [] { return tb::sleep_for(1s), 42; }), 42);
    EXPECT_EQ(*tb::fail_after(2s, [] { return std::make_unique<int>(7); }), 7);
    int target = 0;
    EXPECT_EQ(&tb::fail_after(2s, [&]() -> int& { return target; }), &target);
    tb::fail_after(2s, [] { tb::sleep_for(1s); });
}

TOMBOLO_TEST(timeouts, tell_a_value_that_looks_like_nothing_from_no_value) {
    EXPECT_EQ(tb::fail_after(1s, [] { return std::optional<int>(); }), std::nullopt);
    EXPECT_FALSE(tb::fail_after(1s, [] { return false; }));
    EXPECT_EQ(tb::move_on_after(1s, [] { return false; }), std::optional(false));
    EXPECT_EQ(tb::move_on_after(1s, [] { return tb::sleep_forever(), false; }), std::nullopt);
}

// case 39
TOMBOLO_TEST(timeouts, of_zero_do_not_touch_a_body_without_a_checkpoint) {
    EXPECT_EQ(tb::fail_after(0s, [] { return 42; }), 42);
    EXPECT_EQ(tb::fail_at(tb::time_point::min(), [] { return 42; }), 42);
    EXPECT_EQ(tb::move_on_after(0s, [] { return 42; }), std::optional(42));
    tb::fail_after(0s, [] { tb::open_nursery([](tb::nursery&) {}); });
}

TOMBOLO_TEST(timeouts, of_zero_end_the_body_at_its_first_cancel_point_without_letting_time_pass) {
    const std::vector<std::function<void()>> cancel_points = {
        [] { tb::checkpoint(); },    [] { tb::lowlevel::checkpoint_if_cancelled(); }, [] { tb::sleep_for(1s); },
        [] { tb::sleep_forever(); }, [] { tb::testing::park_willingly(); },
    };
    for (const auto& cancel_point : cancel_points) {
        EXPECT_FALSE(tb::move_on_after(0s, cancel_point));
        EXPECT_FALSE(tb::move_on_at(tb::now(), cancel_point));
        EXPECT_THROW(tb::fail_after(0s, cancel_point), tb::too_slow);
    }
    EXPECT_EQ(tb::now(), tb::time_point());
}

TOMBOLO_TEST(timeouts, do_not_end_a_body_whose_time_is_over_but_which_looks_no_more) {
    EXPECT_EQ(tb::fail_after(1s, [] { return test_clock().jump(5s), 42; }), 42);
}

TOMBOLO_TEST(timeouts, let_the_errors_of_the_body_pass) {
    EXPECT_THROW(tb::fail_after(1s, [] { throw std::out_of_range("mine"); }), std::out_of_range);
    EXPECT_THROW(tb::move_on_after(1s, [] { throw std::out_of_range("mine"); }), std::out_of_range);
    const auto replace_the_cancellation = [] {
        try {
            tb::sleep_forever();
        } catch (const tb::cancelled&) {
            throw std::out_of_range("instead");
        }
    };
    EXPECT_THROW(tb::fail_after(1s, replace_the_cancellation), std::out_of_range);
}

TOMBOLO_TEST(timeouts, are_not_confused_with_a_cancellation_from_outside) {
    tb::cancel_scope outer;
    outer.run([&] {
        outer.cancel();
        try {
            tb::fail_after(1s, [] { tb::checkpoint(); });
            ADD_FAILURE() << "the cancellation belongs to the outer scope";
        } catch (const tb::too_slow&) {
            ADD_FAILURE() << "nothing was too slow";
        }
    });
    EXPECT_TRUE(outer.cancelled_caught());
}

TOMBOLO_TEST(timeouts, nest_and_the_outer_one_wins_when_both_are_over) {
    const auto nested = [](tb::duration outer, tb::duration inner) {
        return tb::move_on_after(outer, [&] { return tb::move_on_after(inner, [] { tb::sleep_forever(); }); });
    };
    EXPECT_EQ(nested(1s, 2s), std::nullopt);
    EXPECT_EQ(nested(2s, 1s), std::optional(false));
    EXPECT_EQ(nested(1s, 1s), std::nullopt);
    EXPECT_EQ(tb::now(), tb::time_point(3s));
}

// case 38
TOMBOLO_TEST(timeouts, with_a_shield_are_safe_from_outside_and_still_end_by_time) {
    tb::cancel_scope outer;
    EXPECT_TRUE(outer.run([&] {
        outer.cancel();
        EXPECT_TRUE(tb::move_on_after(2s, [] { tb::sleep_for(1s); }, {.shield = true}));
        EXPECT_FALSE(tb::move_on_after(1s, [] { tb::sleep_forever(); }, {.shield = true}));
        EXPECT_FALSE(tb::move_on_at(tb::now() + 1s, [] { tb::sleep_forever(); }, {.shield = true}));
        EXPECT_THROW(tb::fail_after(1s, [] { tb::sleep_forever(); }, {.shield = true}), tb::too_slow);
        EXPECT_THROW(tb::fail_at(tb::now() + 1s, [] { tb::sleep_forever(); }, {.shield = true}), tb::too_slow);
    }));
    EXPECT_EQ(tb::now(), tb::time_point(5s));
}

// case 38
TOMBOLO_TEST(timeouts, refuse_lengths_that_are_none_before_they_do_anything) {
    bool began = false;
    const auto body = [&] { began = true; };
    const auto refuses = [](auto call, const char* name) {
        EXPECT_THAT(call, ThrowsMessage<tb::invalid_duration>(HasSubstr(name)));
    };
    refuses([&] { tb::move_on_after(-1ns, body); }, "move_on_after");
    refuses([&] { tb::move_on_after(seconds(not_a_number), body); }, "move_on_after");
    refuses([&] { tb::fail_after(-1s, body); }, "fail_after");
    refuses([&] { tb::fail_after(seconds(not_a_number), body); }, "fail_after");
    refuses([&] { tb::sleep_for(-1ns); }, "sleep_for");
    refuses([&] { tb::sleep_for(seconds(not_a_number)); }, "sleep_for");
    EXPECT_FALSE(began);
}

TOMBOLO_TEST(timeouts, may_be_infinite) {
    EXPECT_TRUE(tb::move_on_after(seconds(infinity), [] { tb::sleep_for(1000h); }));
    EXPECT_TRUE(tb::move_on_at(tb::time_point::max(), [] { tb::sleep_for(1000h); }));
    EXPECT_FALSE(tb::move_on_after(1s, [] { tb::sleep_for(seconds(infinity)); }));
    EXPECT_FALSE(tb::move_on_after(1s, [] { tb::sleep_until(tb::time_point::max()); }));
}

TOMBOLO_TEST(sleep, lasts_exactly_as_long_as_asked) {
    tb::sleep_for(1ns);
    EXPECT_EQ(tb::now(), tb::time_point(1ns));
    tb::sleep_until(tb::time_point(5s));
    EXPECT_EQ(tb::now(), tb::time_point(5s));
    tb::sleep_for(seconds(0.25));
    EXPECT_EQ(tb::now(), tb::time_point(5250ms));
}

TOMBOLO_TEST(sleep, wakes_every_sleeper_at_its_own_time) {
    tb::open_nursery([](tb::nursery& n) {
        for (int i = 0; i < 200; ++i)
            n.start_soon([until = tb::time_point(1ms * (i * 7919 % 211))] {
                tb::sleep_until(until);
                EXPECT_EQ(tb::now(), until);
            });
    });
}

// row S25
TOMBOLO_TEST(sleep, is_always_a_checkpoint) {
    tb::testing::assert_checkpoints([] { tb::sleep_for(0s); });
    tb::testing::assert_checkpoints([] { tb::sleep_for(1s); });
    tb::testing::assert_checkpoints([] { tb::sleep_until(tb::now()); });
    tb::testing::assert_checkpoints([] { tb::sleep_until(tb::time_point::min()); });
    EXPECT_EQ(tb::now(), tb::time_point(1s)) << "zero and the past are no waits";
}

TOMBOLO_TEST(sleep, of_zero_lets_other_tasks_run) {
    bool other_ran = false;
    tb::open_nursery([&](tb::nursery& n) {
        n.start_soon([&] { other_ran = true; });
        tb::sleep_for(0s);
        tb::sleep_for(0s);
        EXPECT_TRUE(other_ran);
    });
}

TEST(sleep, needs_a_task) {
    EXPECT_THAT([] { tb::sleep_for(1s); }, ThrowsMessage<tb::not_in_run>(HasSubstr("sleep_for")));
    EXPECT_THAT(
        [] { tb::sleep_until(tb::time_point::max()); }, ThrowsMessage<tb::not_in_run>(HasSubstr("sleep_until")));
    EXPECT_THAT([] { tb::sleep_forever(); }, ThrowsMessage<tb::not_in_run>(HasSubstr("sleep_forever")));
}

// case 38
TOMBOLO_TEST(sleep, forever_must_not_be_ended_by_a_reschedule) {
    tb::task* sleeper = nullptr;
    tb::open_nursery([&](tb::nursery& n) {
        n.start_soon([&] {
            sleeper = &tb::lowlevel::current_task();
            EXPECT_THAT(
                [] { tb::sleep_forever(); }, ThrowsMessage<tb::invalid_reschedule>(HasSubstr("somebody rescheduled")));
        });
        tb::testing::wait_all_tasks_blocked();
        tb::lowlevel::reschedule(*sleeper);
    });
}

TOMBOLO_TEST(sleep, that_somebody_else_ends_is_an_error_of_its_own) {
    tb::task* sleeper = nullptr;
    tb::open_nursery([&](tb::nursery& n) {
        n.start_soon([&] {
            sleeper = &tb::lowlevel::current_task();
            EXPECT_THAT(
                [] { tb::sleep_for(1s); }, ThrowsMessage<tb::invalid_reschedule>(HasSubstr("somebody rescheduled")));
        });
        tb::testing::wait_all_tasks_blocked();
        tb::lowlevel::reschedule(*sleeper);
    });
    EXPECT_EQ(tb::now(), tb::time_point());
}

/// A run in which somebody wakes a sleeper, and the sleeper's time comes before it has run.
void wake_a_sleeper_just_before_its_time() {
    tb::testing::mock_clock clock;
    const auto main_task = [&] {
        tb::task* sleeper = nullptr;
        tb::open_nursery([&](tb::nursery& n) {
            n.start_soon([&] {
                sleeper = &tb::lowlevel::current_task();
                try {
                    tb::sleep_for(1s);
                } catch (const tb::invalid_reschedule&) {}
            });
            tb::testing::wait_all_tasks_blocked();
            tb::lowlevel::reschedule(*sleeper);
            clock.jump(1s);
            tb::checkpoint();
        });
    };
    tb::run(main_task, {.clock = &clock});
}

TEST(sleep_death_test, survives_a_foreign_reschedule_just_before_its_time) {
    const auto run_and_exit = [] {
        wake_a_sleeper_just_before_its_time();
        std::_Exit(0);
    };
    EXPECT_EXIT(run_and_exit(), ::testing::ExitedWithCode(0), "");
}

TOMBOLO_TEST(sleep, that_was_cancelled_leaves_no_alarm_that_rings_in_a_later_wait) {
    EXPECT_FALSE(tb::move_on_after(1s, [] { tb::sleep_for(5s); }));
    EXPECT_TRUE(tb::move_on_after(100s, [] { tb::sleep_for(50s); }));
    EXPECT_EQ(tb::now(), tb::time_point(51s));
}

TOMBOLO_TEST(sleep, that_was_cancelled_just_before_its_time_is_cancelled) {
    tb::open_nursery([](tb::nursery& n) {
        n.start_soon([] {
            EXPECT_TRUE(is_cancelled_in([] { tb::sleep_for(1s); }));
            EXPECT_TRUE(is_cancelled_in([] { tb::sleep_for(1s); })) << "nor does the first alarm end a later sleep";
        });
        tb::testing::wait_all_tasks_blocked();
        n.cancel_scope().cancel();
        test_clock().jump(1s);
        tb::lowlevel::cancel_shielded_checkpoint();
    });
}

TOMBOLO_TEST(sleep, that_is_over_is_not_undone_by_a_cancel_before_the_sleeper_runs) {
    tb::open_nursery([](tb::nursery& n) {
        n.start_soon([&] {
            EXPECT_FALSE(is_cancelled_in([] { tb::sleep_for(1s); })) << "the sleep had ended";
            EXPECT_TRUE(is_cancelled_in([] { tb::checkpoint(); }));
        });
        tb::testing::wait_all_tasks_blocked();
        tb::cancel_scope shield{{.shield = true}};
        shield.run([&] {
            // Both sleeps end in the same pass, in whatever order.
            tb::sleep_for(1s);
            n.cancel_scope().cancel();
        });
    });
}

}  // namespace
