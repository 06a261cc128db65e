#include "test/fibers/cancellation.hpp"

#include <tombolo/testing/mock_clock.hpp>
#include <tombolo/testing/test.hpp>
#include <tombolo/testing/wait_all_tasks_blocked.hpp>
#include <tombolo/tombolo.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <optional>
#include <stdexcept>
#include <vector>

// What abort functions may do, to whom, and what they must not do (C-5).

namespace {

namespace tb = tombolo;
using namespace std::chrono_literals;
using tb::lowlevel::abort;
using tb::lowlevel::raise_cancel;
using tb::testing::is_cancelled_in;
using ::testing::HasSubstr;

TOMBOLO_TEST(abort_function, may_cancel_its_siblings_and_the_scopes_around_it) {
    tb::cancel_scope outer;
    tb::cancel_scope sibling_scope;
    int aborted = 0;
    EXPECT_FALSE(outer.run([&] {
        tb::cancel_scope trigger;
        tb::open_nursery([&](tb::nursery& n) {
            n.start_soon([&] {
                trigger.run([&] {
                    tb::lowlevel::park([&](const raise_cancel&) {
                        ++aborted;
                        sibling_scope.cancel();
                        EXPECT_EQ(aborted, 2) << "cancel() inside an abort function is synchronous too";
                        trigger.cancel();
                        outer.cancel();
                        EXPECT_EQ(aborted, 3);
                        return abort::succeeded;
                    });
                });
            });
            n.start_soon([&] {
                sibling_scope.run(
                    [&] { tb::lowlevel::park([&](const raise_cancel&) { return ++aborted, abort::succeeded; }); });
            });
            n.start_soon([&] { tb::lowlevel::park([&](const raise_cancel&) { return ++aborted, abort::succeeded; }); });
            tb::testing::wait_all_tasks_blocked();
            trigger.cancel();
        });
        tb::checkpoint();
    }));
    EXPECT_EQ(aborted, 3) << "everybody was aborted once";
    EXPECT_TRUE(outer.cancelled_caught());
}

TOMBOLO_TEST(abort_function, may_wake_a_task_that_the_same_cancel_was_about_to_abort) {
    std::vector<tb::task*> waiters;
    int aborted = 0;
    int woken = 0;
    tb::open_nursery([&](tb::nursery& n) {
        for (int i = 0; i < 2; ++i)
            n.start_soon([&] {
                tb::task* self = &tb::lowlevel::current_task();
                waiters.push_back(self);
                const auto abort_fn = [&, self](const raise_cancel&) {
                    ++aborted;
                    for (tb::task* other : waiters)
                        if (other != self) tb::lowlevel::reschedule(*other);
                    return abort::succeeded;
                };
                if (!is_cancelled_in([&] { tb::lowlevel::park(abort_fn); })) ++woken;
            });
        tb::testing::wait_all_tasks_blocked();
        n.cancel_scope().cancel();
        EXPECT_EQ(aborted, 1) << "a task that has been woken is not aborted";
        tb::cancel_scope shield{{.shield = true}};
        shield.run([&] {
            tb::testing::wait_all_tasks_blocked();
            EXPECT_EQ(woken, 1);
        });
    });
}

TOMBOLO_TEST(abort_function, may_put_up_a_shield_that_spares_those_who_come_later) {
    tb::cancel_scope scopes[2];
    int aborted = 0;
    tb::open_nursery([&](tb::nursery& n) {
        for (int i = 0; i < 2; ++i)
            n.start_soon([&, i] {
                scopes[i].run([&] {
                    const auto abort_fn = [&](const raise_cancel&) {
                        ++aborted;
                        scopes[1 - i].shield(true);
                        return abort::succeeded;
                    };
                    tb::move_on_after(1s, [&] { tb::lowlevel::park(abort_fn); });
                });
            });
        tb::testing::wait_all_tasks_blocked();
        n.cancel_scope().cancel();
        EXPECT_EQ(aborted, 1);
    });
    EXPECT_EQ(tb::now(), tb::time_point(1s));
}

TOMBOLO_TEST(abort_function, may_start_tasks) {
    bool ran = false;
    tb::cancel_scope scope;
    tb::open_nursery([&](tb::nursery& n) {
        n.start_soon([&] {
            scope.run([&] {
                tb::lowlevel::park([&](const raise_cancel&) {
                    n.start_soon([&] { ran = true; });
                    return abort::succeeded;
                });
            });
        });
        tb::testing::wait_all_tasks_blocked();
        scope.cancel();
        EXPECT_FALSE(ran);
    });
    EXPECT_TRUE(ran);
}

TOMBOLO_TEST(abort_function, is_refused_every_blocking_call) {
    const std::vector<std::function<void()>> blocking_calls = {
        [] { tb::checkpoint(); },
        [] { tb::lowlevel::checkpoint_if_cancelled(); },
        [] { tb::lowlevel::cancel_shielded_checkpoint(); },
        [] { tb::sleep_for(1s); },
        [] { tb::sleep_forever(); },
        [] { tb::testing::park_willingly(); },
        [] { tb::open_nursery([](tb::nursery&) {}); },
    };
    tb::cancel_scope scope;
    int refused = 0;
    scope.run([&] {
        scope.cancel();
        tb::lowlevel::park([&](const raise_cancel&) {
            for (const auto& call : blocking_calls) {
                try {
                    call();
                } catch (const tb::checkpoint_forbidden& error) {
                    EXPECT_THAT(error.what(), HasSubstr("abort function must not block"));
                    ++refused;
                }
            }
            return abort::succeeded;
        });
    });
    EXPECT_EQ(refused, static_cast<int>(blocking_calls.size()));
    tb::checkpoint();
}

/// What run() throws as internal_error when its main task is `main_task`.
std::optional<tb::internal_error> internal_error_of(const std::function<void()>& main_task) {
    tb::testing::mock_clock clock{{.autojump_threshold = 0s}};
    try {
        tb::run(main_task, {.clock = &clock, .seed = 1, .detect_deadlock = true});
    } catch (const tb::internal_error& error) {
        return error;
    }
    return std::nullopt;
}

// case 33
TEST(abort_function, that_throws_ends_the_run_with_an_internal_error) {
    bool sibling_cancelled = false;
    const auto error = internal_error_of([&] {
        tb::cancel_scope scope;
        tb::open_nursery([&](tb::nursery& n) {
            n.start_soon([&] { sibling_cancelled = is_cancelled_in([] { tb::sleep_forever(); }); });
            n.start_soon(
                [&] {
                    scope.run([] {
                        tb::lowlevel::park([](const raise_cancel&) -> abort { throw std::out_of_range("bad abort"); });
                    });
                },
                {.name = "the broken one"});
            tb::testing::wait_all_tasks_blocked();
            scope.cancel();
        });
    });
    ASSERT_TRUE(error.has_value());
    EXPECT_THAT(error->what(), HasSubstr("abort function"));
    EXPECT_THAT(error->what(), HasSubstr("the broken one"));
    EXPECT_TRUE(tb::holds<std::out_of_range>(error->cause()));
    EXPECT_TRUE(sibling_cancelled) << "everything is cancelled and awaited";
}

TEST(abort_function, that_throws_before_its_task_sleeps_ends_the_run_too) {
    const auto error = internal_error_of([] {
        tb::cancel_scope scope;
        scope.run([&] {
            scope.cancel();
            tb::lowlevel::park([](const raise_cancel&) -> abort { throw std::out_of_range("bad abort"); });
        });
    });
    ASSERT_TRUE(error.has_value());
    EXPECT_TRUE(tb::holds<std::out_of_range>(error->cause()));
}

TEST(abort_function, that_reschedules_its_own_task_and_answers_succeeded_ends_the_run) {
    const auto error = internal_error_of([] {
        tb::cancel_scope scope;
        scope.run([&] {
            scope.cancel();
            tb::task& self = tb::lowlevel::current_task();
            tb::lowlevel::park([&](const raise_cancel&) {
                tb::lowlevel::reschedule(self);
                return abort::succeeded;
            });
        });
    });
    ASSERT_TRUE(error.has_value());
    EXPECT_THAT(error->what(), HasSubstr("rescheduled the task itself"));
}

}  // namespace
