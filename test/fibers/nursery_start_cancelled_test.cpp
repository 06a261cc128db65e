#include "test/fibers/cancellation.hpp"

#include <tombolo/testing/test.hpp>
#include <tombolo/testing/wait_all_tasks_blocked.hpp>
#include <tombolo/tombolo.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <stdexcept>

// start() and started() against cancellation (C-3, case 42).

namespace {

namespace tb = tombolo;
using namespace std::chrono_literals;
using tb::testing::is_cancelled_in;

TOMBOLO_TEST(nursery_start, that_is_cancelled_cancels_the_child_and_spares_the_nursery) {
    bool child_cancelled = false;
    bool sibling_finished = false;
    tb::open_nursery([&](tb::nursery& n) {
        n.start_soon([&] {
            tb::sleep_for(5s);
            sibling_finished = true;
        });
        EXPECT_FALSE(tb::move_on_after(1s, [&] {
            n.start([&](tb::task_status<>&) {
                child_cancelled = is_cancelled_in([] { tb::sleep_forever(); });
                tb::checkpoint();
            });
        }));
        EXPECT_TRUE(child_cancelled);
        EXPECT_EQ(tb::now(), tb::time_point(1s));
        EXPECT_FALSE(n.cancel_scope().cancel_called());
    });
    EXPECT_TRUE(sibling_finished);
}

/// Starts a child in `n` and cancels start() while the child sleeps; `child` runs in the cancelled child then.
void start_and_cancel(
    tb::nursery& n, tb::cancel_scope& around_start, const std::function<void(tb::task_status<int>&)>& child,
    const std::function<void(int)>& use_value) {
    around_start.run([&] {
        use_value(n.start<int>([&](tb::task_status<int>& status) {
            EXPECT_TRUE(is_cancelled_in([&] {
                around_start.cancel();
                tb::checkpoint();
            }));
            child(status);
        }));
    });
}

// C-3
TOMBOLO_TEST(nursery_start, that_is_cancelled_keeps_the_child_when_it_calls_started) {
    tb::open_nursery([](tb::nursery& n) {
        tb::cancel_scope scope;
        start_and_cancel(
            n, scope,
            [&](tb::task_status<int>& status) {
                status.started(1);
                EXPECT_NE(tb::lowlevel::current_task().parent_nursery(), &n);
                EXPECT_TRUE(n.child_tasks().empty());
                EXPECT_THROW(status.started(2), tb::already_started) << "it counts even so";
                tb::checkpoint();
                ADD_FAILURE() << "the child is still cancelled";
            },
            [](int) { ADD_FAILURE() << "start() has a cancellation to pass on"; });
        EXPECT_TRUE(scope.cancelled_caught());
    });
}

// C-3
TOMBOLO_TEST(nursery_start, that_is_cancelled_returns_the_value_when_the_child_returns_all_the_same) {
    tb::open_nursery([](tb::nursery& n) {
        tb::cancel_scope scope;
        int value = 0;
        start_and_cancel(
            n, scope, [](tb::task_status<int>& status) { status.started(7); }, [&](int got) { value = got; });
        EXPECT_EQ(value, 7);
        EXPECT_FALSE(scope.cancelled_caught());
    });
}

// C-3
TOMBOLO_TEST(nursery_start, that_is_cancelled_throws_later_errors_of_the_child_unwrapped) {
    tb::open_nursery([](tb::nursery& n) {
        tb::cancel_scope scope;
        const auto start = [&] {
            start_and_cancel(
                n, scope,
                [](tb::task_status<int>& status) {
                    status.started(1);
                    throw std::out_of_range("after a started() without effect");
                },
                [](int) { ADD_FAILURE() << "start() has an error to throw"; });
        };
        EXPECT_THROW(start(), std::out_of_range);
        EXPECT_FALSE(scope.cancelled_caught());
        EXPECT_FALSE(n.cancel_scope().cancel_called());
    });
}

// C-3
TOMBOLO_TEST(nursery_start, that_is_cancelled_waits_for_a_child_that_shields_itself_after_started) {
    tb::open_nursery([](tb::nursery& n) {
        tb::cancel_scope scope;
        start_and_cancel(
            n, scope,
            [](tb::task_status<int>& status) {
                status.started(1);
                tb::cancel_scope shield{{.shield = true}};
                shield.run([] { tb::sleep_for(5s); });
            },
            [](int got) {
                EXPECT_EQ(got, 1);
                EXPECT_EQ(tb::now(), tb::time_point(5s));
            });
    });
}

TOMBOLO_TEST(nursery_start, that_is_cancelled_before_it_begins_gives_the_child_a_chance_to_be_quick) {
    tb::open_nursery([](tb::nursery& n) {
        tb::cancel_scope scope;
        EXPECT_TRUE(scope.run([&] {
            scope.cancel();
            EXPECT_EQ(n.start<int>([](tb::task_status<int>& status) { status.started(3); }), 3);
        }));
    });
}

// case 42
TOMBOLO_TEST(nursery_start, cancelled_just_after_started_returns_and_does_not_touch_the_child) {
    bool child_finished = false;
    tb::open_nursery([&](tb::nursery& n) {
        tb::cancel_scope scope;
        bool returned = false;
        EXPECT_FALSE(scope.run([&] {
            const int value = n.start<int>([&](tb::task_status<int>& status) {
                status.started(1);
                scope.cancel();
                tb::sleep_for(5s);
                child_finished = true;
            });
            returned = value == 1;
            EXPECT_EQ(tb::now(), tb::time_point(0s));
            tb::checkpoint();
        }));
        EXPECT_TRUE(returned) << "a start that has succeeded is not undone";
    });
    EXPECT_TRUE(child_finished) << "the child lives with the nursery";
}

TOMBOLO_TEST(nursery_start, takes_the_child_out_of_the_reach_of_the_deadlines_around_it) {
    bool child_finished = false;
    tb::open_nursery([&](tb::nursery& n) {
        EXPECT_FALSE(tb::move_on_after(3s, [&] {
            n.start([&](tb::task_status<>& status) {
                EXPECT_EQ(tb::current_effective_deadline(), tb::time_point(3s));
                tb::sleep_for(1s);
                status.started();
                EXPECT_EQ(tb::current_effective_deadline(), tb::time_point::max());
                tb::sleep_for(10s);
                child_finished = true;
            });
            tb::sleep_forever();
        }));
        EXPECT_EQ(tb::now(), tb::time_point(3s));
    });
    EXPECT_TRUE(child_finished);
}

/// A child with two sleeping grandchildren, one of them in a scope of its own, that calls `just_before`, then started(),
/// then `just_after`. Counts the sleepers that are cancelled.
struct family {
    int cancelled = 0;
    int woken = 0;

    void live(
        tb::task_status<>& status, const std::function<void()>& just_before, const std::function<void()>& just_after) {
        tb::open_nursery([&](tb::nursery& n) {
            n.start_soon([&] { sleep(); });
            n.start_soon([&] { tb::move_on_after(1000s, [&] { sleep(); }); });
            tb::testing::wait_all_tasks_blocked();
            just_before();
            status.started();
            just_after();
        });
    }

    void sleep() {
        try {
            tb::sleep_for(10s);
            ++woken;
        } catch (const tb::cancelled&) {
            ++cancelled;
            throw;
        }
    }
};

// case 42
TOMBOLO_TEST(nursery_start, moves_sleeping_grandchildren_that_live_and_die_with_the_target) {
    struct scenario {
        const char* name;
        bool cancel_before;
        bool cancel_after;
        bool cancel_when_start_has_returned;
    };
    for (const scenario& s :
         {scenario{"just before started()", true, false, false},
          {"just after started()", false, true, false},
          {"when start() has returned", false, false, true},
          {"never", false, false, false}}) {
        family f;
        const tb::time_point begin = tb::now();
        const bool ever = s.cancel_before || s.cancel_after || s.cancel_when_start_has_returned;
        tb::open_nursery([&](tb::nursery& target) {
            const auto cancel_if = [&](bool wanted) {
                if (wanted) target.cancel_scope().cancel();
            };
            tb::cancel_scope shield{{.shield = true}};
            shield.run([&] {
                target.start([&](tb::task_status<>& status) {
                    f.live(
                        status, [&] { cancel_if(s.cancel_before); },
                        [&] {
                            EXPECT_EQ(tb::current_effective_deadline() == tb::time_point::min(), s.cancel_before)
                                << s.name;
                            cancel_if(s.cancel_after);
                        });
                });
            });
            cancel_if(s.cancel_when_start_has_returned);
        });
        EXPECT_EQ(f.cancelled, ever ? 2 : 0) << s.name;
        EXPECT_EQ(f.woken, ever ? 0 : 2) << s.name;
        EXPECT_EQ(tb::now() - begin, ever ? 0s : 10s) << s.name;
    }
}

// case 42
TOMBOLO_TEST(nursery_start, cancelled_just_before_started_keeps_the_grandchildren_too) {
    family f;
    tb::open_nursery([&](tb::nursery& target) {
        tb::cancel_scope around_start;
        around_start.run([&] {
            target.start([&](tb::task_status<>& status) {
                f.live(status, [&] { around_start.cancel(); }, [&] { EXPECT_TRUE(target.child_tasks().empty()); });
            });
        });
        EXPECT_TRUE(around_start.cancelled_caught());
        EXPECT_FALSE(target.cancel_scope().cancel_called());
    });
    EXPECT_EQ(f.cancelled, 2);
}

TOMBOLO_TEST(nursery_start, in_a_nursery_that_is_cancelled_meanwhile_is_not_cancelled_itself) {
    bool returned = false;
    tb::nursery* target = nullptr;
    tb::open_nursery([&](tb::nursery& outer) {
        outer.start_soon([&] { tb::open_nursery([&](tb::nursery& n) { target = &n, tb::sleep_forever(); }); });
        tb::testing::wait_all_tasks_blocked();
        target->start([&](tb::task_status<>& status) {
            target->cancel_scope().cancel();
            tb::sleep_for(1s);
            status.started();
            EXPECT_TRUE(is_cancelled_in([] { tb::checkpoint(); })) << "from now on it is in the cancelled nursery";
            tb::checkpoint();
        });
        returned = true;
    });
    EXPECT_TRUE(returned);
    EXPECT_EQ(tb::now(), tb::time_point(1s));
}

}  // namespace
