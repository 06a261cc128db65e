#include "test/fibers/cancellation.hpp"

#include <tombolo/testing/test.hpp>
#include <tombolo/testing/wait_all_tasks_blocked.hpp>
#include <tombolo/tombolo.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

// The abort protocol (C-2, C-5): when, how often and on whose stack abort functions are called, and what their answers do.

namespace {

namespace tb = tombolo;
using tb::lowlevel::abort;
using tb::lowlevel::raise_cancel;
using tb::testing::cancellation_of;
using tb::testing::is_cancelled_in;
using ::testing::ElementsAre;
using strings = std::vector<std::string>;

TOMBOLO_TEST(abort, succeeded_ends_the_park_with_the_cancellation) {
    tb::cancel_scope scope;
    int calls = 0;
    tb::open_nursery([&](tb::nursery& n) {
        n.start_soon([&] {
            scope.run([&] {
                const auto reason = cancellation_of([&] {
                    tb::lowlevel::park([&](const raise_cancel& raise) {
                        ++calls;
                        EXPECT_FALSE(raise.is_keyboard_interrupt());
                        return abort::succeeded;
                    });
                });
                ASSERT_TRUE(reason.has_value());
                EXPECT_EQ(reason->reason, "why not");
            });
        });
        tb::testing::wait_all_tasks_blocked();
        EXPECT_EQ(calls, 0);
        scope.cancel("why not");
        EXPECT_EQ(calls, 1) << "it is called inside cancel()";
    });
    EXPECT_EQ(calls, 1);
}

TOMBOLO_TEST(abort, runs_on_the_stack_of_whoever_cancels) {
    tb::task* seen = nullptr;
    tb::open_nursery([&](tb::nursery& n) {
        n.start_soon([&] {
            tb::lowlevel::park([&](const raise_cancel&) {
                EXPECT_TRUE(tb::in_task());
                seen = &tb::lowlevel::current_task();
                return abort::succeeded;
            });
        });
        tb::testing::wait_all_tasks_blocked();
        n.cancel_scope().cancel();
        EXPECT_EQ(seen, &tb::lowlevel::current_task());
    });
}

TOMBOLO_TEST(abort, is_called_at_once_when_the_task_is_cancelled_already) {
    tb::cancel_scope scope;
    int calls = 0;
    EXPECT_FALSE(scope.run([&] {
        scope.cancel();
        tb::task* self = &tb::lowlevel::current_task();
        tb::lowlevel::park([&](const raise_cancel&) {
            ++calls;
            EXPECT_EQ(&tb::lowlevel::current_task(), self);
            return abort::succeeded;
        });
    }));
    EXPECT_EQ(calls, 1);
}

TOMBOLO_TEST(abort, is_not_called_when_nobody_cancels) {
    tb::task* waiter = nullptr;
    bool called = false;
    tb::open_nursery([&](tb::nursery& n) {
        n.start_soon([&] {
            waiter = &tb::lowlevel::current_task();
            tb::lowlevel::park([&](const raise_cancel&) { return called = true, abort::succeeded; });
        });
        tb::testing::wait_all_tasks_blocked();
        tb::cancel_scope elsewhere;
        elsewhere.run([&] { elsewhere.cancel(); });
        tb::lowlevel::reschedule(*waiter);
        tb::testing::wait_all_tasks_blocked();
        EXPECT_FALSE(called);
    });
}

// case 33
TOMBOLO_TEST(abort, failed_keeps_the_task_asleep_until_somebody_reschedules_it) {
    strings record;
    tb::task* stubborn = nullptr;
    tb::cancel_scope scope;
    tb::open_nursery([&](tb::nursery& n) {
        n.start_soon([&] {
            stubborn = &tb::lowlevel::current_task();
            scope.run([&] {
                record.push_back("sleep");
                EXPECT_EQ(tb::testing::park_stubbornly<int>(), 1);
                record.push_back("woke");
                if (is_cancelled_in([] { tb::lowlevel::checkpoint_if_cancelled(); })) record.push_back("cancelled");
            });
        });
        tb::testing::wait_all_tasks_blocked();
        EXPECT_THAT(record, ElementsAre("sleep"));
        scope.cancel();
        tb::testing::wait_all_tasks_blocked();
        EXPECT_THAT(record, ElementsAre("sleep"));
        tb::lowlevel::reschedule(*stubborn, tb::outcome<int>(1));
    });
    EXPECT_THAT(record, ElementsAre("sleep", "woke", "cancelled"));
}

// case 34
TOMBOLO_TEST(abort, failed_can_deliver_the_cancellation_later) {
    tb::cancel_scope scope;
    const auto token = tb::lowlevel::current_run_token();
    EXPECT_FALSE(scope.run([&] {
        scope.cancel("slowly");
        tb::task& self = tb::lowlevel::current_task();
        const auto reason = cancellation_of([&] {
            tb::lowlevel::park([&](const raise_cancel& raise) {
                token.run_sync_soon([&self, raise] { tb::lowlevel::reschedule(self, tb::outcome<>::capture(raise)); });
                return abort::failed;
            });
        });
        ASSERT_TRUE(reason.has_value());
        EXPECT_EQ(reason->reason, "slowly");
        tb::checkpoint();
    }));
}

// case 34
TOMBOLO_TEST(abort, that_was_slow_delivers_even_if_the_task_was_shielded_meanwhile) {
    strings record;
    tb::cancel_scope outer;
    tb::cancel_scope inner;
    const auto token = tb::lowlevel::current_run_token();
    const auto abort_slowly = [&] {
        tb::task& self = tb::lowlevel::current_task();
        record.push_back("sleeping");
        const auto abort_fn = [&](const raise_cancel& raise) {
            record.push_back("abort called");
            token.run_sync_soon([&self, raise] { tb::lowlevel::reschedule(self, tb::outcome<>::capture(raise)); });
            return abort::failed;
        };
        if (is_cancelled_in([&] { tb::lowlevel::park(abort_fn); })) record.push_back("cancelled");
        tb::checkpoint();
        record.push_back("done");
    };
    outer.run([&] {
        inner.run([&] {
            tb::open_nursery([&](tb::nursery& n) {
                n.start_soon(abort_slowly);
                tb::testing::wait_all_tasks_blocked();
                outer.cancel();
                EXPECT_THAT(record, ElementsAre("sleeping", "abort called"));
                inner.cancel();
                EXPECT_THAT(record, ElementsAre("sleeping", "abort called")) << "one wait is aborted once";
                n.cancel_scope().shield(true);
            });
        });
    });
    EXPECT_THAT(record, ElementsAre("sleeping", "abort called", "cancelled", "done"));
}

TOMBOLO_TEST(abort, that_failed_is_not_asked_again_in_the_same_wait) {
    tb::cancel_scope outer;
    tb::cancel_scope inner;
    tb::task* waiter = nullptr;
    int calls = 0;
    tb::open_nursery([&](tb::nursery& n) {
        n.start_soon([&] {
            waiter = &tb::lowlevel::current_task();
            outer.run([&] {
                inner.run([&] { tb::lowlevel::park([&](const raise_cancel&) { return ++calls, abort::failed; }); });
            });
        });
        tb::testing::wait_all_tasks_blocked();
        outer.cancel();
        for (int i = 0; i < 3; ++i) {
            inner.shield(true);
            inner.shield(false);
        }
        inner.cancel();
        n.cancel_scope().cancel();
        EXPECT_EQ(calls, 1) << "however often it becomes cancelled anew";
        tb::lowlevel::reschedule(*waiter);
    });
    EXPECT_EQ(calls, 1);
}

TOMBOLO_TEST(abort, is_called_again_in_the_next_park) {
    tb::cancel_scope scope;
    int calls = 0;
    scope.run([&] {
        scope.cancel();
        for (int i = 1; i <= 3; ++i) {
            EXPECT_TRUE(is_cancelled_in(
                [&] { tb::lowlevel::park([&](const raise_cancel&) { return ++calls, abort::succeeded; }); }));
            EXPECT_EQ(calls, i);
        }
    });
}

TOMBOLO_TEST(abort, error_can_be_kept_longer_than_the_wait_and_thrown_elsewhere) {
    std::optional<raise_cancel> kept;
    tb::cancel_scope first;
    first.run([&] {
        first.cancel("kept");
        tb::lowlevel::park([&](const raise_cancel& raise) { return kept.emplace(raise), abort::succeeded; });
    });
    ASSERT_TRUE(kept.has_value());
    const auto reason = cancellation_of([&] { (*kept)(); });
    ASSERT_TRUE(reason.has_value());
    EXPECT_EQ(reason->reason, "kept");
}

TOMBOLO_TEST(abort, function_may_be_a_mutable_or_a_move_only_callable) {
    tb::cancel_scope scope;
    scope.run([&] {
        scope.cancel();
        auto owned = std::make_unique<int>(0);
        int* count = owned.get();
        auto abort_fn = [owned = std::move(owned)](const raise_cancel&) mutable { return ++*owned, abort::succeeded; };
        EXPECT_TRUE(is_cancelled_in([&] { tb::lowlevel::park(abort_fn); }));
        EXPECT_EQ(*count, 1) << "a callable given by reference is not copied";
    });
}

}  // namespace
