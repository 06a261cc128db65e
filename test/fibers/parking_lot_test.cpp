#include <tombolo/fibers/parking_lot.hpp>

#include "test/fibers/thrown.hpp"

#include <tombolo/fibers/cancel_scope.hpp>
#include <tombolo/fibers/checkpoint.hpp>
#include <tombolo/fibers/nursery.hpp>
#include <tombolo/fibers/timeouts.hpp>
#include <tombolo/testing/test.hpp>
#include <tombolo/testing/wait_all_tasks_blocked.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace tombolo::testing {
namespace {

using lowlevel::parking_lot;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::UnorderedElementsAre;
using names = std::vector<std::string>;

names names_of(const std::vector<task*>& tasks) {
    names result;
    for (const task* each : tasks) result.push_back(each->name());
    return result;
}

/// Tasks called "1", "2", ... that wait in a lot, in this order, each in a cancel scope of its own. Outlives their nursery.
struct parked_tasks {
    void park(nursery& n, parking_lot& lot, int count) {
        for (int i = 1; i <= count; ++i) add(n, lot, std::to_string(i));
    }

    void add(nursery& n, parking_lot& lot, const std::string& name) {
        cancel_scope& scope = scopes.emplace_back();
        const auto park = [this, &lot, &scope, name] {
            scope.run([&] {
                try {
                    lot.park();
                    woken.push_back(name);
                } catch (const broken_resource& broken) {
                    errors.emplace_back(broken.what());
                }
            });
        };
        n.start_soon(park, {.name = name});
        wait_all_tasks_blocked();
    }

    cancel_scope& scope_of(std::size_t number) { return scopes[number - 1]; }

    std::deque<cancel_scope> scopes;
    names woken;
    names errors;
};

// case 65
TOMBOLO_TEST(parking_lot, wakes_those_who_wait_longest_first_and_says_whom) {
    parking_lot lot;
    parked_tasks tasks;
    open_nursery([&](nursery& n) {
        tasks.park(n, lot, 4);
        EXPECT_EQ(lot.size(), 4U);
        EXPECT_THAT(names_of(lot.unpark()), ElementsAre("1"));
        EXPECT_EQ(lot.size(), 3U);
        EXPECT_THAT(tasks.woken, IsEmpty()) << "nobody runs before the caller's next checkpoint";
        wait_all_tasks_blocked();
        EXPECT_THAT(tasks.woken, ElementsAre("1"));
        EXPECT_THAT(names_of(lot.unpark(2)), ElementsAre("2", "3"));
        EXPECT_THAT(names_of(lot.unpark_all()), ElementsAre("4"));
        EXPECT_TRUE(lot.empty());
        wait_all_tasks_blocked();
        EXPECT_THAT(tasks.woken, UnorderedElementsAre("1", "2", "3", "4"));
    });
}

TOMBOLO_TEST(parking_lot, wakes_nobody_when_nobody_waits_or_none_is_asked_for) {
    parking_lot lot;
    EXPECT_THAT(lot.unpark(), IsEmpty());
    EXPECT_THAT(lot.unpark_all(), IsEmpty());
    parked_tasks tasks;
    open_nursery([&](nursery& n) {
        tasks.park(n, lot, 1);
        EXPECT_THAT(lot.unpark(0), IsEmpty());
        wait_all_tasks_blocked();
        EXPECT_EQ(lot.size(), 1U);
        EXPECT_THAT(names_of(lot.unpark(1000)), ElementsAre("1"));
    });
}

TOMBOLO_TEST(parking_lot, counts_who_waits) {
    parking_lot lot;
    EXPECT_TRUE(lot.empty());
    EXPECT_EQ(lot.statistics().tasks_waiting, 0U);
    parked_tasks tasks;
    open_nursery([&](nursery& n) {
        tasks.park(n, lot, 3);
        EXPECT_FALSE(lot.empty());
        EXPECT_EQ(lot.statistics().tasks_waiting, 3U);
        lot.unpark_all();
        EXPECT_EQ(lot.statistics().tasks_waiting, 0U);
    });
}

// case 65
TOMBOLO_TEST(parking_lot, a_cancelled_task_leaves_and_the_others_keep_their_places) {
    parking_lot lot;
    parked_tasks tasks;
    open_nursery([&](nursery& n) {
        tasks.park(n, lot, 3);
        tasks.scope_of(2).cancel();
        EXPECT_EQ(lot.size(), 2U) << "it leaves inside of cancel()";
        wait_all_tasks_blocked();
        EXPECT_TRUE(tasks.scope_of(2).cancelled_caught());
        EXPECT_THAT(names_of(lot.unpark(2)), ElementsAre("1", "3"));
    });
}

TOMBOLO_TEST(parking_lot, a_task_that_was_woken_before_it_is_cancelled_stays_woken) {
    parking_lot lot;
    parked_tasks tasks;
    open_nursery([&](nursery& n) {
        tasks.park(n, lot, 1);
        lot.unpark();
        tasks.scope_of(1).cancel();
        wait_all_tasks_blocked();
        EXPECT_THAT(tasks.woken, ElementsAre("1"));
        EXPECT_FALSE(tasks.scope_of(1).cancelled_caught());
    });
}

// case 65
TOMBOLO_TEST(parking_lot, moves_tasks_in_order_behind_those_that_wait_elsewhere) {
    parking_lot from;
    parking_lot to;
    parked_tasks tasks;
    open_nursery([&](nursery& n) {
        tasks.park(n, from, 4);
        tasks.add(n, to, "there");
        from.repark(to, 0);
        EXPECT_EQ(from.size(), 4U);
        from.repark(to);
        EXPECT_EQ(from.size(), 3U);
        from.repark(to, 2);
        wait_all_tasks_blocked();
        EXPECT_THAT(tasks.woken, IsEmpty()) << "they go on sleeping";
        EXPECT_THAT(names_of(to.unpark_all()), ElementsAre("there", "1", "2", "3"));
        EXPECT_THAT(names_of(from.unpark_all()), ElementsAre("4"));
    });
}

TOMBOLO_TEST(parking_lot, moves_everybody_and_asks_for_too_many_without_harm) {
    parking_lot from;
    parking_lot to;
    from.repark_all(to);
    parked_tasks tasks;
    open_nursery([&](nursery& n) {
        tasks.park(n, from, 3);
        from.repark_all(to);
        EXPECT_TRUE(from.empty());
        EXPECT_EQ(to.size(), 3U);
        to.repark(from, 1000);
        EXPECT_THAT(names_of(from.unpark_all()), ElementsAre("1", "2", "3"));
    });
}

// case 65
TOMBOLO_TEST(parking_lot, a_moved_task_that_is_cancelled_leaves_the_lot_it_was_moved_to) {
    parking_lot from;
    parking_lot to;
    parked_tasks tasks;
    open_nursery([&](nursery& n) {
        tasks.park(n, from, 3);
        from.repark(to, 2);
        tasks.scope_of(1).cancel();
        EXPECT_EQ(to.size(), 1U);
        EXPECT_EQ(from.size(), 1U);
        wait_all_tasks_blocked();
        EXPECT_TRUE(tasks.scope_of(1).cancelled_caught());
        EXPECT_THAT(names_of(to.unpark_all()), ElementsAre("2"));
        EXPECT_THAT(names_of(from.unpark_all()), ElementsAre("3"));
    });
}

TOMBOLO_TEST(parking_lot, refuses_to_move_tasks_to_where_they_are) {
    parking_lot lot;
    parked_tasks tasks;
    open_nursery([&](nursery& n) {
        tasks.park(n, lot, 2);
        EXPECT_THAT(text_of<usage_error>([&] { lot.repark(lot); }), AllOf(HasSubstr("repark"), HasSubstr("another")));
        text_of<usage_error>([&] { lot.repark_all(lot); });
        EXPECT_THAT(names_of(lot.unpark_all()), ElementsAre("1", "2"));
    });
}

TOMBOLO_TEST(parking_lot, tells_tasks_that_are_moved_to_a_broken_lot) {
    parking_lot from;
    parking_lot broken;
    broken.break_lot();
    parked_tasks tasks;
    open_nursery([&](nursery& n) {
        tasks.park(n, from, 3);
        from.repark(broken, 2);
        wait_all_tasks_blocked();
        EXPECT_THAT(tasks.errors, ElementsAre(HasSubstr("\"main\""), HasSubstr("\"main\"")));
        EXPECT_TRUE(broken.empty());
        EXPECT_EQ(from.size(), 1U);
        from.unpark_all();
    });
}

// case 65
TOMBOLO_TEST(parking_lot, once_broken_fails_those_who_wait_and_those_who_come) {
    parking_lot lot;
    parked_tasks tasks;
    open_nursery([&](nursery& n) {
        tasks.park(n, lot, 2);
        EXPECT_FALSE(lot.broken());
        lot.break_lot();
        EXPECT_TRUE(lot.broken());
        EXPECT_TRUE(lot.empty());
        wait_all_tasks_blocked();
        EXPECT_THAT(tasks.errors, ElementsAre(HasSubstr("\"main\""), HasSubstr("\"main\"")));
        EXPECT_THAT(tasks.woken, IsEmpty());
        EXPECT_THAT(text_of<broken_resource>([&] { lot.park(); }), HasSubstr("\"main\""));
        EXPECT_TRUE(lot.empty());
    });
}

TOMBOLO_TEST(parking_lot, names_everybody_who_broke_it) {
    parking_lot lot;
    open_nursery([&](nursery& n) {
        n.start_soon(sleep_forever, {.name = "other"});
        lot.break_lot(n.child_tasks().front());
        EXPECT_THAT(
            text_of<broken_resource>([&] { lot.park(); }), AllOf(HasSubstr("\"other\""), Not(HasSubstr("\"main\""))));
        lot.break_lot();
        EXPECT_THAT(
            text_of<broken_resource>([&] { lot.park(); }), AllOf(HasSubstr("\"other\""), HasSubstr("\"main\"")));
        n.cancel_scope().cancel();
    });
}

/// How the end of a task that ran `body` shows in a lot in which two tasks wait.
names errors_after(const std::function<void()>& body, parking_lot& lot) {
    names errors;
    parked_tasks tasks;
    open_nursery([&](nursery& n) {
        tasks.park(n, lot, 2);
        try {
            open_nursery([&](nursery& breakers) { breakers.start_soon(body, {.name = "breaker"}); });
        } catch (const exception_group&) {  // the body's own
        }
        wait_all_tasks_blocked();
        errors = tasks.errors;
        lot.unpark_all();
    });
    return errors;
}

// case 65
TOMBOLO_TEST(parking_lot, is_broken_when_its_breaker_exits_however_it_does) {
    const auto names_the_breaker = ElementsAre(HasSubstr("\"breaker\""), HasSubstr("\"breaker\""));
    const auto add = [](parking_lot& lot) { lowlevel::add_parking_lot_breaker(lowlevel::current_task(), lot); };
    parking_lot returned;
    EXPECT_THAT(errors_after([&] { add(returned); }, returned), names_the_breaker);
    parking_lot threw;
    const auto fail = [&] {
        add(threw);
        throw std::runtime_error("breaker");
    };
    EXPECT_THAT(errors_after(fail, threw), names_the_breaker);
    parking_lot was_cancelled;
    const auto end_cancelled = [&] {
        add(was_cancelled);
        lowlevel::current_task().parent_nursery()->cancel_scope().cancel();
        checkpoint();
    };
    EXPECT_THAT(errors_after(end_cancelled, was_cancelled), names_the_breaker);
}

TOMBOLO_TEST(parking_lot, breakers_are_counted) {
    parking_lot lot;
    const auto add_twice_and_remove = [&](int removals) {
        return [&lot, removals] {
            task& self = lowlevel::current_task();
            lowlevel::add_parking_lot_breaker(self, lot);
            lowlevel::add_parking_lot_breaker(self, lot);
            for (int i = 0; i < removals; ++i) lowlevel::remove_parking_lot_breaker(self, lot);
        };
    };
    EXPECT_THAT(errors_after(add_twice_and_remove(2), lot), IsEmpty());
    EXPECT_FALSE(lot.broken());
    EXPECT_THAT(errors_after(add_twice_and_remove(1), lot), ElementsAre(HasSubstr("breaker"), HasSubstr("breaker")));
    EXPECT_TRUE(lot.broken());
}

TOMBOLO_TEST(parking_lot, refuses_to_remove_a_breaker_more_often_than_it_was_added) {
    parking_lot lot;
    task& self = lowlevel::current_task();
    const auto remove = [&] { lowlevel::remove_parking_lot_breaker(self, lot); };
    EXPECT_THAT(
        text_of<not_a_breaker>(remove), AllOf(HasSubstr("\"main\""), HasSubstr("remove as often as you added")));
    lowlevel::add_parking_lot_breaker(self, lot);
    remove();
    text_of<not_a_breaker>(remove);
}

TOMBOLO_TEST(parking_lot, several_are_broken_by_one_task_and_one_by_several) {
    parking_lot a;
    parking_lot b;
    open_nursery([&](nursery& n) {
        n.start_soon([&] { lowlevel::add_parking_lot_breaker(lowlevel::current_task(), a); }, {.name = "one"});
        const auto two = [&] {
            lowlevel::add_parking_lot_breaker(lowlevel::current_task(), a);
            lowlevel::add_parking_lot_breaker(lowlevel::current_task(), b);
        };
        n.start_soon(two, {.name = "two"});
    });
    EXPECT_THAT(text_of<broken_resource>([&] { a.park(); }), AllOf(HasSubstr("\"one\""), HasSubstr("\"two\"")));
    EXPECT_THAT(text_of<broken_resource>([&] { b.park(); }), AllOf(Not(HasSubstr("\"one\"")), HasSubstr("\"two\"")));
}

TOMBOLO_TEST(parking_lot, may_be_gone_when_its_breaker_exits) {
    open_nursery([](nursery& n) {
        std::optional<parking_lot> lot(std::in_place);
        n.start_soon([&] {
            lowlevel::add_parking_lot_breaker(lowlevel::current_task(), *lot);
            lowlevel::add_parking_lot_breaker(lowlevel::current_task(), *lot);
            lot.reset();
        });
        wait_all_tasks_blocked();
        EXPECT_FALSE(lot);
    });
}

/// Calls `misuse` on a thread that has no run while two tasks wait in `lot`, and expects that they go on waiting.
void expect_wrong_thread(parking_lot& lot, const std::function<void()>& misuse) {
    parked_tasks tasks;
    open_nursery([&](nursery& n) {
        tasks.park(n, lot, 2);
        std::thread([&] { EXPECT_THAT(text_of<wrong_thread>(misuse), HasSubstr("run_token")); }).join();
        ASSERT_EQ(lot.size(), 2U);
        ASSERT_FALSE(lot.broken());
        EXPECT_THAT(names_of(lot.unpark_all()), ElementsAre("1", "2"));
    });
}

TOMBOLO_TEST(parking_lot, is_left_alone_by_calls_from_a_wrong_thread) {
    const task* self = &lowlevel::current_task();
    parking_lot lot;
    expect_wrong_thread(lot, [&] { lot.unpark(); });
    expect_wrong_thread(lot, [&] { lot.unpark_all(); });
    parking_lot other;
    expect_wrong_thread(lot, [&] { lot.repark(other); });
    expect_wrong_thread(lot, [&] { lot.repark_all(other); });
    EXPECT_TRUE(other.empty());
    expect_wrong_thread(lot, [&] { lot.break_lot(self); });
}

TEST(parking_lot_death, is_not_destroyed_while_somebody_waits) {
    const auto destroy = [] {
        run_test_body([] {
            std::optional<parking_lot> lot(std::in_place);
            open_nursery([&](nursery& n) {
                n.start_soon([&] { lot->park(); });
                wait_all_tasks_blocked();
                lot.reset();
            });
        });
    };
    EXPECT_DEATH(destroy(), "nobody may wait in a parking lot that is destroyed");
}

}  // namespace
}  // namespace tombolo::testing
