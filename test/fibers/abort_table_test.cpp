#include "test/fibers/abort_table.hpp"

#include "test/fibers/default_sigint.hpp"
#include "test/fibers/thrown.hpp"

#include <tombolo/fibers/nursery.hpp>
#include <tombolo/fibers/run.hpp>
#include <tombolo/fibers/statistics.hpp>
#include <tombolo/testing/test.hpp>
#include <tombolo/testing/wait_all_tasks_blocked.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>

// Cancels every blocking operation at every park point: before, during and after its wait. Whatever the moment, nothing
// may be left behind, and an operation that completed keeps its result: each operation checks that of its own stage.

namespace tombolo::testing {
namespace {

using ::testing::IsEmpty;
using kind = interruption::kind;

lowlevel::run_statistics at_rest() {
    wait_all_tasks_blocked();
    return lowlevel::current_statistics();
}

void expect_nothing_left(const lowlevel::run_statistics& before) {
    const lowlevel::run_statistics now = at_rest();
    EXPECT_EQ(now.tasks_living, before.tasks_living);
    EXPECT_EQ(now.tasks_runnable, before.tasks_runnable);
    EXPECT_EQ(now.time_to_next_deadline, duration::max());
    EXPECT_EQ(now.run_sync_soon_queue_size, 0U);
    EXPECT_EQ(now.io.tasks_waiting_read, before.io.tasks_waiting_read);
    EXPECT_EQ(now.io.tasks_waiting_write, before.io.tasks_waiting_write);
    EXPECT_EQ(now.stacks.in_use, before.stacks.in_use);
    EXPECT_EQ(current_effective_deadline(), time_point::max());
}

/// A run with a seed, and one that moves on without looking at everything between batches.
void in_both_kinds_of_run(const std::function<void()>& main) {
    const test_report report = run_test_body(main);
    EXPECT_THAT(report.failure, IsEmpty()) << "seed " << report.seed;
    mock_clock clock{{.autojump_threshold = duration::zero()}};
    EXPECT_EQ(thrown_by([&] { run(main, {.clock = &clock, .detect_deadlock = true}); }), nullptr);
}

class cancelling : public ::testing::TestWithParam<operation> {
protected:
    /// Makes the operation once. Returns whether the interruption came while it was under way.
    bool make(kind how, int nth) {
        SCOPED_TRACE(GetParam().name + ", interrupted at " + std::to_string(nth));
        bool fired = false;
        in_both_kinds_of_run([&] {
            const lowlevel::run_statistics before = at_rest();
            attempt once({how, nth});
            open_nursery([&](nursery& n) {
                if (how == kind::by_task) n.start_soon([&] { cancel_in_pass(once, nth); });
                GetParam().main(once);
            });
            EXPECT_EQ(once.completed() + once.cancelled(), 1);
            check(how, once);
            checkpoint();
            expect_nothing_left(before);
            fired = fired || once.fired();
        });
        return fired;
    }

    /// Interrupts the operation at its first, second, ... point until it completes earlier. Returns how many there are.
    int make_at_every_point(kind how) {
        constexpr int most = 50;
        for (int nth = 1; nth < most; ++nth)
            if (!make(how, nth) || HasFailure()) return nth - 1;
        ADD_FAILURE() << GetParam().name << " never completes";
        return most;
    }

private:
    static void cancel_in_pass(attempt& once, int nth) {
        for (int i = 0; i < 1000 && !once.under_way(); ++i) lowlevel::cancel_shielded_checkpoint();
        for (int i = 0; i < nth; ++i) lowlevel::cancel_shielded_checkpoint();
        once.cancel_now();
    }

    void check(kind how, const attempt& once) const {
        const bool able = GetParam().can_be_cancelled;
        if (!able || how == kind::none || how == kind::after) {
            EXPECT_EQ(once.cancelled(), 0);
        } else if (how == kind::before) {
            EXPECT_EQ(once.cancelled(), 1) << "a checkpoint in a cancelled scope throws";
        }
    }
};

TEST_P(cancelling, never_lets_it_complete) { make(kind::none, 0); }

TEST_P(cancelling, before_the_call_keeps_it_from_happening) { make(kind::before, 0); }

TEST_P(cancelling, at_each_park_point_leaves_nothing_behind) {
    EXPECT_GE(make_at_every_point(kind::at_park), 1) << "an operation that blocks has a park point";
}

TEST_P(cancelling, at_each_park_point_by_a_deadline_leaves_nothing_behind) {
    EXPECT_GE(make_at_every_point(kind::by_deadline), 1);
}

// C-4
TEST_P(cancelling, whenever_the_task_is_queued_keeps_the_result_that_it_has) {
    EXPECT_GE(make_at_every_point(kind::when_queued), 1);
}

TEST_P(cancelling, by_another_task_in_each_of_the_first_passes_leaves_nothing_behind) {
    for (int pass = 0; pass < 8; ++pass) make(kind::by_task, pass);
}

TEST_P(cancelling, after_the_call_keeps_its_result) { make(kind::after, 0); }

INSTANTIATE_TEST_SUITE_P(abort_table, cancelling, ::testing::ValuesIn(blocking_operations()), name_of_operation);

/// The interrupt that `f` throws, bare or among other errors of a nursery.
bool is_interrupted_in(const std::function<void()>& f) {
    const std::exception_ptr error = thrown_by(f);
    if (holds<keyboard_interrupt>(error)) return true;
    if (holds<base_exception_group>(error)) return group_in(error).contains<keyboard_interrupt>();
    EXPECT_EQ(error, nullptr) << describe(error);
    return false;
}

class interrupting : public ::testing::TestWithParam<operation> {
private:
    default_sigint as_in_a_shell_;
};

TEST_P(interrupting, at_each_park_point_leaves_nothing_behind_and_is_not_lost) {
    bool fired = true;
    for (int nth = 1; fired && !HasFailure(); ++nth) {
        SCOPED_TRACE(GetParam().name + ", interrupted at " + std::to_string(nth));
        ASSERT_LT(nth, 50);
        fired = false;
        in_both_kinds_of_run([&] {
            const lowlevel::run_statistics before = at_rest();
            attempt once({kind::by_ctrl_c, nth});
            const bool interrupted = is_interrupted_in([&] { GetParam().main(once); });
            const bool interrupted_later = is_interrupted_in([] { checkpoint(); });
            EXPECT_EQ(interrupted + interrupted_later, once.fired()) << "thrown exactly once";
            expect_nothing_left(before);
            fired = fired || once.fired();
        });
    }
}

INSTANTIATE_TEST_SUITE_P(abort_table, interrupting, ::testing::ValuesIn(blocking_operations()), name_of_operation);

}  // namespace
}  // namespace tombolo::testing
