#include <tombolo/fibers/condition_variable.hpp>

#include "test/fibers/default_sigint.hpp"
#include "test/fibers/thrown.hpp"

#include <tombolo/fibers/cancel_scope.hpp>
#include <tombolo/fibers/keyboard_interrupt.hpp>
#include <tombolo/fibers/nursery.hpp>
#include <tombolo/fibers/run.hpp>
#include <tombolo/fibers/timeouts.hpp>
#include <tombolo/testing/test.hpp>
#include <tombolo/testing/wait_all_tasks_blocked.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <csignal>
#include <deque>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace tombolo::testing {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

/// Tasks 0, 1, ... that wait for a condition, in this order, each in a cancel scope of its own.
struct waiting_tasks {
    void wait(nursery& n, mutex& m, condition_variable& c, int count) {
        for (int i = 0; i < count; ++i) {
            cancel_scope& scope = scopes.emplace_back();
            n.start_soon([this, &m, &c, &scope, i] {
                scope.run([&] {
                    const std::lock_guard guard(m);
                    c.wait();
                    EXPECT_EQ(m.statistics().owner, &lowlevel::current_task());
                    woken.push_back(i);
                });
            });
            wait_all_tasks_blocked();
        }
    }

    std::deque<cancel_scope> scopes;
    std::vector<int> woken;
};

void notify(mutex& m, condition_variable& c, int count) {
    const std::lock_guard guard(m);
    c.notify(count);
}

// case 72
TOMBOLO_TEST(condition_variable, wakes_those_who_wait_longest_as_owners_of_the_mutex) {
    mutex m;
    condition_variable c{m};
    waiting_tasks tasks;
    open_nursery([&](nursery& n) {
        tasks.wait(n, m, c, 5);
        EXPECT_EQ(c.statistics().tasks_waiting, 5U);
        EXPECT_FALSE(c.statistics().lock_statistics.locked) << "waiting unlocks the mutex";
        notify(m, c, 1);
        wait_all_tasks_blocked();
        EXPECT_THAT(tasks.woken, ElementsAre(0));
        notify(m, c, 2);
        wait_all_tasks_blocked();
        EXPECT_THAT(tasks.woken, ElementsAre(0, 1, 2));
        EXPECT_EQ(c.statistics().tasks_waiting, 2U);
        m.lock();
        c.notify_all();
        m.unlock();
    });
    EXPECT_THAT(tasks.woken, ElementsAre(0, 1, 2, 3, 4));
}

// case 72
TOMBOLO_TEST(condition_variable, moves_whom_it_notifies_to_the_queue_for_the_mutex) {
    mutex m;
    condition_variable c{m};
    waiting_tasks tasks;
    std::vector<std::string> order;
    open_nursery([&](nursery& n) {
        tasks.wait(n, m, c, 2);
        m.lock();
        n.start_soon([&] {
            const std::lock_guard guard(m);
            order.push_back(std::to_string(tasks.woken.size()) + " woken before");
        });
        wait_all_tasks_blocked();
        c.notify_all();
        EXPECT_EQ(c.statistics().tasks_waiting, 0U);
        EXPECT_EQ(c.statistics().lock_statistics.tasks_waiting, 3U);
        wait_all_tasks_blocked();
        EXPECT_THAT(tasks.woken, IsEmpty()) << "they go on sleeping until they own the mutex";
        m.unlock();
    });
    EXPECT_THAT(order, ElementsAre("0 woken before")) << "behind those that waited for the mutex already";
    EXPECT_THAT(tasks.woken, ElementsAre(0, 1));
}

// case 72
TOMBOLO_TEST(condition_variable, owns_the_mutex_again_before_cancelled_leaves) {
    mutex m;
    condition_variable c{m};
    cancel_scope scope;
    bool checked = false;
    open_nursery([&](nursery& n) {
        n.start_soon([&] {
            scope.run([&] {
                const std::lock_guard guard(m);
                try {
                    c.wait();
                } catch (const cancelled&) {
                    EXPECT_EQ(m.statistics().owner, &lowlevel::current_task());
                    checked = true;
                    throw;
                }
            });
        });
        wait_all_tasks_blocked();
        m.lock();
        scope.cancel();
        EXPECT_EQ(c.statistics().tasks_waiting, 0U);
        sleep_for(1s);
        EXPECT_FALSE(checked) << "it waits for the mutex, whatever that takes";
        EXPECT_EQ(m.statistics().tasks_waiting, 1U);
        m.unlock();
    });
    EXPECT_TRUE(checked);
    EXPECT_TRUE(scope.cancelled_caught());
    EXPECT_FALSE(m.locked());
}

TOMBOLO_TEST(condition_variable, passes_the_notification_of_a_cancelled_task_on) {
    mutex m;
    condition_variable c{m};
    waiting_tasks tasks;
    open_nursery([&](nursery& n) {
        tasks.wait(n, m, c, 3);
        m.lock();
        c.notify();
        tasks.scopes[0].cancel();
        wait_all_tasks_blocked();
        m.unlock();
        wait_all_tasks_blocked();
        EXPECT_TRUE(tasks.scopes[0].cancelled_caught());
        EXPECT_THAT(tasks.woken, ElementsAre(1)) << "one notification, one task";
        notify(m, c, 1);
    });
    EXPECT_THAT(tasks.woken, ElementsAre(1, 2));
}

TOMBOLO_TEST(condition_variable, keeps_no_notification_of_a_task_that_was_cancelled_before_it) {
    mutex m;
    condition_variable c{m};
    waiting_tasks tasks;
    open_nursery([&](nursery& n) {
        tasks.wait(n, m, c, 3);
        tasks.scopes[1].cancel();
        wait_all_tasks_blocked();
        notify(m, c, 2);
        wait_all_tasks_blocked();
        EXPECT_THAT(tasks.woken, ElementsAre(0, 2));
    });
}

// C-4
TOMBOLO_TEST(condition_variable, handed_the_mutex_and_then_cancelled_returns) {
    mutex m;
    condition_variable c{m};
    waiting_tasks tasks;
    open_nursery([&](nursery& n) {
        tasks.wait(n, m, c, 1);
        notify(m, c, 1);
        tasks.scopes[0].cancel();
    });
    EXPECT_THAT(tasks.woken, ElementsAre(0));
}

TOMBOLO_TEST(condition_variable, in_a_cancelled_scope_throws_with_the_mutex_owned) {
    mutex m;
    condition_variable c{m};
    m.lock();
    cancel_scope scope;
    scope.cancel();
    EXPECT_FALSE(scope.run([&] { c.wait(); }));
    EXPECT_EQ(m.statistics().owner, &lowlevel::current_task());
    m.unlock();
}

TOMBOLO_TEST(condition_variable, waits_until_its_predicate_is_true) {
    mutex m;
    condition_variable c{m};
    int value = 0;
    open_nursery([&](nursery& n) {
        n.start_soon([&] {
            const std::lock_guard guard(m);
            c.wait([&] {
                EXPECT_EQ(m.statistics().owner, &lowlevel::current_task());
                return value == 3;
            });
            EXPECT_EQ(value, 3);
            value = 100;
        });
        for (int i = 0; i < 3; ++i) {
            wait_all_tasks_blocked();
            const std::lock_guard guard(m);
            ++value;
            c.notify();
        }
    });
    EXPECT_EQ(value, 100);
}

TOMBOLO_TEST(condition_variable, notified_while_nobody_waits_forgets_it) {
    mutex m;
    condition_variable c{m};
    const std::lock_guard guard(m);
    c.notify();
    c.notify_all();
    c.notify(1000);
    EXPECT_FALSE(move_on_after(1s, [&] { c.wait(); }));
}

TOMBOLO_TEST(condition_variable, is_used_by_the_owner_of_the_mutex_only) {
    mutex m;
    condition_variable c{m};
    bool asked = false;
    const auto refuse_all = [&] {
        EXPECT_THAT(text_of<not_owner>([&] { c.wait(); }), HasSubstr("condition_variable::wait"));
        text_of<not_owner>([&] { c.wait([&] { return asked = true; }); });
        EXPECT_THAT(text_of<not_owner>([&] { c.notify(); }), HasSubstr("condition_variable::notify"));
        text_of<not_owner>([&] { c.notify(1); });
        text_of<not_owner>([&] { c.notify_all(); });
    };
    refuse_all();
    m.lock();
    open_nursery([&](nursery& n) { n.start_soon(refuse_all); });
    EXPECT_FALSE(asked) << "the predicate is asked under the mutex";
    EXPECT_EQ(m.statistics().owner, &lowlevel::current_task());
    EXPECT_THAT(text_of<invalid_count>([&] { c.notify(-1); }), HasSubstr("-1"));
    m.unlock();
}

TOMBOLO_TEST(condition_variable, tells_notified_tasks_when_the_mutex_is_broken) {
    mutex m;
    condition_variable c{m};
    open_nursery([&](nursery& n) {
        n.start_soon([&] {
            const std::unique_lock guard(m);
            EXPECT_THAT(text_of<broken_resource>([&] { c.wait(); }), HasSubstr("\"owner\""));
        });
        wait_all_tasks_blocked();
        const auto notify_and_exit = [&] {
            m.lock();
            c.notify();
        };
        n.start_soon(notify_and_exit, {.name = "owner"});
    });
}

TEST(condition_variable, owns_the_mutex_again_before_an_interrupt_leaves) {
    const default_sigint as_in_a_shell;
    bool owned = false;
    const auto error = thrown_by([&] {
        run([&] {
            mutex m;
            condition_variable c{m};
            open_nursery([&](nursery& n) {
                n.start_soon([&] {
                    wait_all_tasks_blocked();
                    m.lock();
                    static_cast<void>(std::raise(SIGINT));
                    wait_all_tasks_blocked();
                    static_cast<void>(std::raise(SIGINT));
                    wait_all_tasks_blocked();
                    m.unlock();
                });
                m.lock();
                try {
                    c.wait();
                } catch (const keyboard_interrupt&) {
                    owned = m.statistics().owner == &lowlevel::current_task();
                    m.unlock();
                    throw;
                }
            });
        });
    });
    EXPECT_TRUE(owned);
    EXPECT_NE(error, nullptr);
}

TEST(condition_variable_death, is_not_destroyed_while_somebody_waits) {
    const auto destroy = [] {
        run_test_body([] {
            mutex m;
            std::optional<condition_variable> c(std::in_place, m);
            open_nursery([&](nursery& n) {
                n.start_soon([&] {
                    m.lock();
                    c->wait();
                });
                wait_all_tasks_blocked();
                c.reset();
            });
        });
    };
    EXPECT_DEATH(destroy(), "nobody may wait");
}

}  // namespace
}  // namespace tombolo::testing
