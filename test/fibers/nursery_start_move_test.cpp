#include "test/fibers/cancellation.hpp"

#include <tombolo/testing/test.hpp>
#include <tombolo/testing/wait_all_tasks_blocked.hpp>
#include <tombolo/tombolo.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <optional>
#include <stdexcept>
#include <utility>
#include <vector>

// What abort functions may do that started() calls when it moves sleeping tasks into a cancelled nursery (C-3): anything,
// to the hidden nursery, to the target and to the tasks that are on their way.

namespace {

namespace tb = tombolo;
using namespace std::chrono_literals;
using tb::lowlevel::abort;
using tb::lowlevel::raise_cancel;
using tb::testing::is_cancelled_in;

/// A nursery for start() that is cancelled, and a child in the making whose grandchildren sleep.
class move_into_cancelled_nursery {
public:
    tb::cancel_scope around_start;
    tb::cancel_scope around_target;
    tb::nursery* target = nullptr;
    int start_returned = 0;

    /// One grandchild; called in a task of its own.
    void add_sleeper(std::function<void()> sleep) { sleepers_.push_back(std::move(sleep)); }

    /// Starts the child, cancels the target once all sleep, and calls started() then; `after_started` runs in the child.
    void run(const std::function<void()>& after_started = [] {}) {
        tb::open_nursery([&](tb::nursery& outer) {
            outer.start_soon([&] {
                around_target.run([&] {
                    tb::open_nursery([&](tb::nursery& n) {
                        target = &n;
                        tb::sleep_forever();
                    });
                });
                target = nullptr;
            });
            tb::testing::wait_all_tasks_blocked();
            around_start.run([&] {
                target->start([&](tb::task_status<>& status) { live(status, after_started); });
                ++start_returned;
                tb::lowlevel::checkpoint_if_cancelled();
            });
            if (!around_target.cancel_called()) ADD_FAILURE() << "the target should have been cancelled";
        });
        EXPECT_EQ(target, nullptr) << "the target has been left";
    }

private:
    void live(tb::task_status<>& status, const std::function<void()>& after_started) {
        tb::open_nursery([&](tb::nursery& n) {
            for (const auto& sleep : sleepers_) n.start_soon([&] { sleep(); });
            tb::testing::wait_all_tasks_blocked();
            around_target.cancel();
            status.started();
            EXPECT_EQ(tb::lowlevel::current_task().parent_nursery(), target);
            after_started();
        });
    }

    std::vector<std::function<void()>> sleepers_;
};

/// Parks; when aborted, counts and does `act`.
std::function<void()> sleeper(int& aborted, std::function<void()> act = [] {}) {
    return [&aborted, act = std::move(act)] {
        tb::lowlevel::park([&](const raise_cancel&) {
            ++aborted;
            act();
            return abort::succeeded;
        });
    };
}

TOMBOLO_TEST(nursery_start_move, aborts_every_sleeper_once_before_started_returns) {
    move_into_cancelled_nursery m;
    int aborted = 0;
    m.add_sleeper(sleeper(aborted));
    m.add_sleeper([&] { tb::cancel_scope().run(sleeper(aborted)); });
    m.add_sleeper([&] {
        tb::open_nursery([&](tb::nursery& n) {
            n.start_soon(sleeper(aborted));
            n.start_soon(sleeper(aborted));
        });
    });
    m.run([&] { EXPECT_EQ(aborted, 4); });
    EXPECT_EQ(aborted, 4);
    EXPECT_EQ(m.start_returned, 1);
    EXPECT_FALSE(m.around_start.cancel_called());
}

TOMBOLO_TEST(nursery_start_move, spares_shielded_sleepers) {
    move_into_cancelled_nursery m;
    int aborted = 0;
    m.add_sleeper([&] {
        tb::cancel_scope shield{{.shield = true}};
        shield.run([&] { tb::sleep_for(2s); });
        EXPECT_EQ(tb::now(), tb::time_point(2s));
        sleeper(aborted)();
    });
    m.run([&] { EXPECT_EQ(aborted, 0); });
    EXPECT_EQ(aborted, 1) << "afterwards it is cancelled like everybody";
}

TOMBOLO_TEST(nursery_start_move, lets_an_abort_function_cancel_the_start_that_is_ending) {
    move_into_cancelled_nursery m;
    int aborted = 0;
    m.add_sleeper(sleeper(aborted));
    m.add_sleeper(sleeper(aborted, [&] { m.around_start.cancel(); }));
    m.add_sleeper(sleeper(aborted));
    m.run();
    EXPECT_EQ(aborted, 3);
    EXPECT_EQ(m.start_returned, 1) << "started() came first";
    EXPECT_TRUE(m.around_start.cancelled_caught()) << "the next cancel point after start() reports it";
}

TOMBOLO_TEST(nursery_start_move, lets_an_abort_function_cancel_the_target_itself) {
    move_into_cancelled_nursery m;
    int aborted = 0;
    for (int i = 0; i < 3; ++i) m.add_sleeper(sleeper(aborted, [&] { m.target->cancel_scope().cancel(); }));
    m.run([&] { EXPECT_TRUE(m.target->cancel_scope().cancel_called()); });
    EXPECT_EQ(aborted, 3);
    EXPECT_EQ(m.start_returned, 1);
    EXPECT_TRUE(m.around_target.cancelled_caught());
}

TOMBOLO_TEST(nursery_start_move, lets_an_abort_function_cancel_another_task_on_its_way) {
    move_into_cancelled_nursery m;
    tb::cancel_scope scopes[2];
    int aborted = 0;
    for (int i = 0; i < 2; ++i)
        m.add_sleeper([&, i] { scopes[i].run(sleeper(aborted, [&, i] { scopes[1 - i].cancel(); })); });
    m.run();
    EXPECT_EQ(aborted, 2) << "each was aborted once, whoever was first";
    EXPECT_TRUE(scopes[0].cancel_called() && scopes[1].cancel_called());
    EXPECT_FALSE(scopes[0].cancelled_caught() || scopes[1].cancelled_caught()) << "the scope around the target is";
}

TOMBOLO_TEST(nursery_start_move, lets_an_abort_function_take_down_the_shield_of_another_task_on_its_way) {
    move_into_cancelled_nursery m;
    tb::cancel_scope shielded{{.shield = true}};
    int aborted = 0;
    m.add_sleeper(sleeper(aborted, [&] { shielded.shield(false); }));
    m.add_sleeper([&] { shielded.run(sleeper(aborted)); });
    m.add_sleeper(sleeper(aborted, [&] { shielded.shield(false); }));
    m.run([&] { EXPECT_EQ(aborted, 3); });
    EXPECT_EQ(tb::now(), tb::time_point());
}

TOMBOLO_TEST(nursery_start_move, lets_an_abort_function_wake_another_task_on_its_way) {
    move_into_cancelled_nursery m;
    std::vector<tb::task*> waiting;
    int aborted = 0;
    int woken = 0;
    for (int i = 0; i < 2; ++i)
        m.add_sleeper([&] {
            tb::task* self = &tb::lowlevel::current_task();
            waiting.push_back(self);
            const auto wake_the_other = [&, self] {
                for (tb::task* task : waiting)
                    if (task != self) tb::lowlevel::reschedule(*task);
            };
            if (!is_cancelled_in(sleeper(aborted, wake_the_other))) ++woken;
        });
    m.run();
    EXPECT_EQ(aborted, 1);
    EXPECT_EQ(woken, 1);
}

TOMBOLO_TEST(nursery_start_move, lets_an_abort_function_answer_failed_and_deliver_later) {
    move_into_cancelled_nursery m;
    const auto token = tb::lowlevel::current_run_token();
    bool delivered = false;
    m.add_sleeper([&] {
        tb::task& self = tb::lowlevel::current_task();
        delivered = is_cancelled_in([&] {
            tb::lowlevel::park([&](const raise_cancel& raise) {
                token.run_sync_soon([&self, raise] { tb::lowlevel::reschedule(self, tb::outcome<>::capture(raise)); });
                return abort::failed;
            });
        });
    });
    m.run();
    EXPECT_TRUE(delivered);
}

TOMBOLO_TEST(nursery_start_move, lets_an_abort_function_start_tasks_in_the_target) {
    move_into_cancelled_nursery m;
    int aborted = 0;
    bool began = false;
    bool passed = false;
    m.add_sleeper(sleeper(aborted, [&] {
        m.target->start_soon([&] {
            began = true;
            tb::checkpoint();
            passed = true;
        });
    }));
    m.run();
    EXPECT_TRUE(began);
    EXPECT_FALSE(passed);
}

TOMBOLO_TEST(nursery_start_move, lets_an_abort_function_call_started_of_another_child) {
    move_into_cancelled_nursery m;
    tb::task_status<>* other_status = nullptr;
    int aborted = 0;
    bool other_returned = false;
    tb::nursery* elsewhere = nullptr;
    m.add_sleeper(sleeper(aborted, [&] { other_status->started(); }));
    m.add_sleeper([&] {
        // Itself on its way: it waits in a start() whose child moves to a nursery that nobody has cancelled.
        tb::cancel_scope shield{{.shield = true}};
        shield.run([&] {
            elsewhere->start([&](tb::task_status<>& status) {
                other_status = &status;
                tb::sleep_for(5s);
            });
            other_returned = true;
            EXPECT_EQ(tb::now(), tb::time_point(0s));
        });
    });
    tb::open_nursery([&](tb::nursery& n) {
        elsewhere = &n;
        m.run();
    });
    EXPECT_TRUE(other_returned);
    EXPECT_EQ(aborted, 1);
    EXPECT_EQ(tb::now(), tb::time_point(5s)) << "the other child has slept undisturbed";
}

TOMBOLO_TEST(nursery_start_move, leaves_the_hidden_nursery_without_a_trace) {
    move_into_cancelled_nursery m;
    int aborted = 0;
    m.add_sleeper(sleeper(aborted));
    const std::vector<tb::nursery*> before = tb::lowlevel::current_task().child_nurseries();
    m.run();
    EXPECT_EQ(tb::lowlevel::current_task().child_nurseries(), before);
}

TOMBOLO_TEST(nursery_start_move, takes_extra_tasks_of_the_hidden_nursery_along) {
    bool extra_cancelled = false;
    tb::open_nursery([&](tb::nursery& n) {
        n.start([&](tb::task_status<>& status) {
            tb::lowlevel::current_task().parent_nursery()->start_soon(
                [&] { extra_cancelled = is_cancelled_in([] { tb::sleep_forever(); }); });
            tb::testing::wait_all_tasks_blocked();
            status.started();
        });
        EXPECT_EQ(n.child_tasks().size(), 1U);
        n.cancel_scope().cancel();
    });
    EXPECT_TRUE(extra_cancelled);
}

TOMBOLO_TEST(nursery_start_move, aborts_a_child_that_sleeps_itself_while_another_task_calls_started) {
    tb::nursery* target = nullptr;
    tb::task_status<>* handed_out = nullptr;
    int aborted = 0;
    int extra_aborted = 0;
    tb::open_nursery([&](tb::nursery& outer) {
        outer.start_soon([&] { tb::open_nursery([&](tb::nursery& n) { target = &n, tb::sleep_forever(); }); });
        outer.start_soon([&] {
            tb::testing::wait_all_tasks_blocked();
            target->cancel_scope().cancel();
            EXPECT_EQ(aborted + extra_aborted, 0) << "until started() the target is none of their business";
            handed_out->started();
            EXPECT_EQ(aborted, 1);
            EXPECT_EQ(extra_aborted, 1);
        });
        while (target == nullptr) tb::checkpoint();
        target->start([&](tb::task_status<>& status) {
            handed_out = &status;
            tb::lowlevel::current_task().parent_nursery()->start_soon(sleeper(extra_aborted));
            sleeper(aborted)();
        });
    });
    EXPECT_EQ(aborted, 1);
}

TOMBOLO_TEST(nursery_start_move, reaches_through_a_chain_of_starts_in_starts) {
    int levels_cancelled = 0;
    const std::function<void(tb::nursery&, int)> chain = [&](tb::nursery& target, int levels) {
        target.start([&, levels](tb::task_status<>& status) {
            try {
                if (levels > 0) chain(target, levels - 1);
                status.started();
                tb::sleep_forever();
            } catch (const tb::cancelled&) {
                ++levels_cancelled;
                throw;
            }
        });
    };
    tb::open_nursery([&](tb::nursery& n) {
        chain(n, 20);
        EXPECT_EQ(n.child_tasks().size(), 21U);
        tb::testing::wait_all_tasks_blocked();
        n.cancel_scope().cancel();
    });
    EXPECT_EQ(levels_cancelled, 21);
}

}  // namespace
