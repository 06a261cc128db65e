#include "fibers/core/run_context.hpp"
#include "fibers/core/run_state.hpp"
#include "test/fibers/cancellation.hpp"

#include <tombolo/testing/test.hpp>
#include <tombolo/testing/wait_all_tasks_blocked.hpp>
#include <tombolo/tombolo.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>

namespace {

namespace tb = tombolo;
using namespace std::chrono_literals;
using tb::testing::is_cancelled_in;
using tb::testing::test_clock;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

constexpr tb::time_point never = tb::time_point::max();
constexpr tb::time_point cancelled_already = tb::time_point::min();

std::size_t registered_deadlines() { return tb::kernel::this_thread.run->deadlines.size(); }

// case 28
TOMBOLO_TEST(deadline, in_the_future_ends_a_sleep_when_it_comes) {
    tb::cancel_scope scope{{.deadline = tb::now() + 3s}};
    EXPECT_FALSE(scope.run([&] {
        EXPECT_FALSE(scope.cancel_called());
        tb::sleep_for(10s);
    }));
    EXPECT_TRUE(scope.cancel_called());
    EXPECT_TRUE(scope.cancelled_caught());
    EXPECT_EQ(tb::now(), tb::time_point(3s));
}

// case 28
TOMBOLO_TEST(deadline, in_the_past_ends_the_body_at_its_first_cancel_point) {
    test_clock().jump(10s);
    for (const tb::time_point past : {tb::now(), tb::now() - 1ns, tb::time_point(), tb::time_point::min()}) {
        tb::cancel_scope scope{{.deadline = past}};
        bool began = false;
        EXPECT_FALSE(scope.run([&] {
            began = true;
            tb::lowlevel::checkpoint_if_cancelled();
        }));
        EXPECT_TRUE(began);
        EXPECT_TRUE(scope.cancelled_caught());
    }
    EXPECT_EQ(tb::now(), tb::time_point(10s));
}

// case 28
TOMBOLO_TEST(deadline, moved_while_a_task_sleeps_takes_effect_at_once) {
    struct plan {
        tb::duration moved_to;
        tb::duration woken_at;
    };
    for (const plan& p : {plan{2s, 2s}, plan{9s, 9s}, plan{-100s, 1s}, plan{1s, 1s}}) {
        const tb::time_point start = tb::now();
        tb::cancel_scope scope{{.deadline = start + 5s}};
        tb::open_nursery([&](tb::nursery& n) {
            n.start_soon([&] { EXPECT_FALSE(scope.run([] { tb::sleep_forever(); })); });
            tb::sleep_for(1s);
            scope.deadline(start + p.moved_to);
            EXPECT_EQ(scope.deadline(), start + p.moved_to);
        });
        EXPECT_EQ(tb::now(), start + p.woken_at);
        EXPECT_TRUE(scope.cancelled_caught());
    }
}

// case 28
TOMBOLO_TEST(deadline, taken_back_while_a_task_sleeps_does_not_come) {
    tb::cancel_scope scope{{.deadline = tb::now() + 5s}};
    tb::open_nursery([&](tb::nursery& n) {
        n.start_soon([&] { EXPECT_TRUE(scope.run([] { tb::sleep_for(20s); })); });
        tb::sleep_for(1s);
        scope.deadline(never);
    });
    EXPECT_FALSE(scope.cancel_called());
    EXPECT_EQ(tb::now(), tb::time_point(20s));
}

TOMBOLO_TEST(deadline, given_inside_the_body_counts_too) {
    tb::cancel_scope scope;
    EXPECT_FALSE(scope.run([&] {
        scope.deadline(tb::now() + 2s);
        tb::sleep_forever();
    }));
    EXPECT_EQ(tb::now(), tb::time_point(2s));
}

TOMBOLO_TEST(deadline, moved_into_the_past_cancels_at_the_next_look_and_not_in_the_assignment) {
    test_clock().jump(10s);
    tb::cancel_scope scope;
    scope.run([&] {
        scope.deadline(tb::now() - 1s);
        tb::lowlevel::checkpoint_if_cancelled();
        tb::checkpoint();
        ADD_FAILURE() << "a full checkpoint looks at the clock";
    });
    EXPECT_TRUE(scope.cancelled_caught());
}

TOMBOLO_TEST(deadline, moved_into_the_past_and_back_again_leaves_no_trace_when_nobody_looked) {
    tb::cancel_scope scope;
    EXPECT_TRUE(scope.run([&] {
        scope.deadline(tb::now() - 1s);
        scope.deadline(tb::now() + 10s);
        tb::sleep_for(5s);
    }));
    EXPECT_FALSE(scope.cancel_called());
}

// case 31
TOMBOLO_TEST(deadline, that_has_passed_is_noticed_by_cancel_called_for_good) {
    tb::cancel_scope unentered;
    unentered.deadline(tb::now());
    EXPECT_TRUE(unentered.cancel_called());
    unentered.deadline(tb::now() + 100s);
    EXPECT_TRUE(unentered.cancel_called());
    EXPECT_FALSE(unentered.run([] { tb::checkpoint(); }));

    tb::cancel_scope entered;
    EXPECT_FALSE(entered.run([&] {
        entered.deadline(tb::now() + 1s);
        test_clock().jump(1s);
        EXPECT_TRUE(entered.cancel_called());
        entered.deadline(never);
        EXPECT_TRUE(entered.cancel_called());
        tb::lowlevel::checkpoint_if_cancelled();
    }));
}

TOMBOLO_TEST(deadline, that_passes_after_the_scope_was_left_cancels_nothing) {
    tb::cancel_scope scope{{.deadline = tb::now() + 1s}};
    scope.run([] { tb::checkpoint(); });
    tb::sleep_for(2s);
    EXPECT_FALSE(scope.cancel_called());
}

TOMBOLO_TEST(deadline, of_many_scopes_may_come_at_the_same_moment) {
    int ended = 0;
    tb::open_nursery([&](tb::nursery& n) {
        for (int i = 0; i < 50; ++i)
            n.start_soon([&] { ended += !tb::move_on_after(1s, [] { tb::sleep_forever(); }); });
    });
    EXPECT_EQ(ended, 50);
    EXPECT_EQ(tb::now(), tb::time_point(1s));
}

TOMBOLO_TEST(deadline, relative_counts_from_entry) {
    tb::cancel_scope scope{{.relative_deadline = 3s}};
    EXPECT_TRUE(scope.is_relative());
    tb::sleep_for(5s);
    EXPECT_FALSE(scope.cancel_called());
    EXPECT_EQ(scope.relative_deadline(), 3s);
    EXPECT_FALSE(scope.run([&] {
        EXPECT_FALSE(scope.is_relative());
        EXPECT_EQ(scope.deadline(), tb::now() + 3s);
        tb::sleep_forever();
    }));
    EXPECT_EQ(tb::now(), tb::time_point(8s));
}

// case 38
TOMBOLO_TEST(deadline, of_the_other_kind_is_refused_before_entry) {
    tb::cancel_scope relative{{.relative_deadline = 3s}};
    EXPECT_THAT(
        [&] { static_cast<void>(relative.deadline()); },
        ThrowsMessage<tb::deadline_unset>(HasSubstr("relative_deadline()")));
    tb::cancel_scope absolute{{.deadline = tb::now() + 3s}};
    EXPECT_FALSE(absolute.is_relative());
    EXPECT_THAT(
        [&] { static_cast<void>(absolute.relative_deadline()); },
        ThrowsMessage<tb::deadline_unset>(HasSubstr("ask deadline()")));
    EXPECT_EQ(absolute.deadline(), tb::now() + 3s);
}

TOMBOLO_TEST(deadline, assigned_before_entry_replaces_the_other_kind) {
    tb::cancel_scope scope{{.relative_deadline = 3s}};
    scope.deadline(tb::now() + 7s);
    EXPECT_FALSE(scope.is_relative());
    EXPECT_EQ(scope.deadline(), tb::now() + 7s);
    scope.relative_deadline(2s);
    EXPECT_TRUE(scope.is_relative());
    tb::sleep_for(1s);
    scope.run([] { tb::sleep_forever(); });
    EXPECT_EQ(tb::now(), tb::time_point(3s));
}

// case 38
TOMBOLO_TEST(deadline, of_an_entered_scope_can_be_read_and_written_in_both_kinds) {
    tb::cancel_scope scope{{.deadline = tb::now() + 3s}};
    scope.run([&] {
        tb::sleep_for(1s);
        EXPECT_EQ(scope.relative_deadline(), 2s);
        scope.relative_deadline(4s);
        EXPECT_EQ(scope.deadline(), tb::now() + 4s);
        tb::sleep_forever();
    });
    EXPECT_EQ(tb::now(), tb::time_point(5s));
}

TOMBOLO_TEST(deadline, of_zero_from_entry_has_passed_at_entry) {
    tb::cancel_scope scope{{.relative_deadline = 0s}};
    EXPECT_FALSE(scope.run([] { tb::lowlevel::checkpoint_if_cancelled(); }));
    EXPECT_TRUE(scope.cancelled_caught());
}

TOMBOLO_TEST(deadline, so_far_away_that_it_does_not_fit_is_never) {
    tb::sleep_for(1s);
    tb::cancel_scope scope{{.relative_deadline = tb::duration::max()}};
    EXPECT_TRUE(scope.run([&] {
        EXPECT_EQ(scope.deadline(), never);
        EXPECT_EQ(tb::current_effective_deadline(), never);
    }));
}

// case 35
TOMBOLO_TEST(deadline, changed_many_times_is_registered_once) {
    ASSERT_EQ(registered_deadlines(), 0U);
    tb::cancel_scope scope{{.deadline = tb::now() + 10s}};
    scope.run([&] {
        EXPECT_EQ(registered_deadlines(), 1U);
        for (int i = 0; i < 5000; ++i) {
            scope.deadline(tb::now() + (i % 2 == 0 ? 20s : 10s));
            if (i % 3 == 0) scope.deadline(never);
            EXPECT_EQ(registered_deadlines(), i % 3 == 0 ? 0U : 1U);
            if (i % 1000 == 0) tb::checkpoint();
        }
    });
    EXPECT_EQ(registered_deadlines(), 0U);
}

// case 35
TOMBOLO_TEST(deadline, is_registered_exactly_while_it_can_come) {
    tb::cancel_scope scope{{.deadline = tb::now() + 10s}};
    EXPECT_EQ(registered_deadlines(), 0U) << "not before entry";
    scope.run([&] {
        EXPECT_EQ(registered_deadlines(), 1U);
        scope.cancel();
        EXPECT_EQ(registered_deadlines(), 0U) << "not once it is cancelled";
        scope.deadline(tb::now() + 5s);
        EXPECT_EQ(registered_deadlines(), 0U);
    });
    scope.deadline(tb::now() + 5s);
    EXPECT_EQ(registered_deadlines(), 0U) << "not after it was left";
    tb::open_nursery([&](tb::nursery& n) {
        for (int i = 0; i < 10; ++i) n.start_soon([] { tb::sleep_for(10s); });
        tb::testing::wait_all_tasks_blocked();
        EXPECT_EQ(registered_deadlines(), 10U);
        n.cancel_scope().cancel();
    });
    EXPECT_EQ(registered_deadlines(), 0U) << "an aborted sleep leaves no alarm behind";
}

// case 36
TOMBOLO_TEST(deadline, effective_is_the_earliest_one_that_the_task_can_see) {
    EXPECT_EQ(tb::current_effective_deadline(), never);
    tb::move_on_at(tb::time_point(20s), [] {
        EXPECT_EQ(tb::current_effective_deadline(), tb::time_point(20s));
        tb::move_on_at(tb::time_point(30s), [] {
            EXPECT_EQ(tb::current_effective_deadline(), tb::time_point(20s));
            tb::cancel_scope shield{{.deadline = tb::time_point(40s), .shield = true}};
            shield.run([&] {
                EXPECT_EQ(tb::current_effective_deadline(), tb::time_point(40s)) << "the shield's own one counts";
                tb::move_on_at(
                    tb::time_point(35s), [] { EXPECT_EQ(tb::current_effective_deadline(), tb::time_point(35s)); });
                shield.deadline(never);
                EXPECT_EQ(tb::current_effective_deadline(), never);
                shield.shield(false);
                EXPECT_EQ(tb::current_effective_deadline(), tb::time_point(20s));
            });
        });
    });
    EXPECT_EQ(tb::current_effective_deadline(), never);
}

// case 36
TOMBOLO_TEST(deadline, effective_is_the_earliest_time_point_for_who_is_cancelled) {
    tb::cancel_scope outer{{.deadline = tb::time_point(20s)}};
    outer.run([&] {
        tb::cancel_scope inner;
        inner.run([&] {
            inner.cancel();
            EXPECT_EQ(tb::current_effective_deadline(), cancelled_already);
            tb::cancel_scope shield{{.shield = true}};
            shield.run([] { EXPECT_EQ(tb::current_effective_deadline(), never); });
        });
        EXPECT_EQ(tb::current_effective_deadline(), tb::time_point(20s));
        outer.cancel();
        tb::move_on_after(1s, [] { EXPECT_EQ(tb::current_effective_deadline(), cancelled_already); });
    });
}

TEST(deadline, effective_needs_a_task) {
    EXPECT_THAT(
        [] { tb::current_effective_deadline(); }, ThrowsMessage<tb::not_in_run>(HasSubstr("inside tombolo::run")));
}

}  // namespace
