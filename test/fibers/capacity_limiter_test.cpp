#include <tombolo/fibers/capacity_limiter.hpp>

#include "test/fibers/thrown.hpp"

#include <tombolo/fibers/cancel_scope.hpp>
#include <tombolo/fibers/checkpoint.hpp>
#include <tombolo/fibers/nursery.hpp>
#include <tombolo/fibers/run.hpp>
#include <tombolo/fibers/task.hpp>
#include <tombolo/fibers/task_tree.hpp>
#include <tombolo/testing/test.hpp>
#include <tombolo/testing/wait_all_tasks_blocked.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <optional>
#include <sstream>
#include <string>
#include <thread>
#include <type_traits>
#include <vector>

namespace tombolo::testing {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

static_assert(!std::is_constructible_v<capacity_limiter, double> && !std::is_constructible_v<capacity_limiter, bool>);

/// Tasks that wait for tokens on behalf of borrowers[0], [1], ... in this order.
struct waiting_borrowers {
    void wait(nursery& n, capacity_limiter& l, int count) {
        for (int i = 0; i < count; ++i) {
            n.start_soon([this, &l, i] {
                scopes[i].run([&] {
                    l.acquire_on_behalf_of(&borrowers[i]);
                    served.push_back(i);
                });
            });
            wait_all_tasks_blocked();
        }
    }

    char borrowers[5] = {};
    cancel_scope scopes[5];
    std::vector<int> served;
};

// case 69
TOMBOLO_TEST(capacity_limiter, lets_as_many_in_as_it_has_tokens) {
    capacity_limiter l{2};
    std::size_t inside = 0;
    std::size_t most = 0;
    open_nursery([&](nursery& n) {
        for (int i = 0; i < 10; ++i)
            n.start_soon([&] {
                l.acquire();
                most = std::max(most, ++inside);
                EXPECT_LE(l.borrowed(), 2U);
                checkpoint();
                --inside;
                l.release();
            });
    });
    EXPECT_EQ(most, 2U);
    EXPECT_EQ(l.borrowed(), 0U);
}

TOMBOLO_TEST(capacity_limiter, knows_who_borrows) {
    capacity_limiter l{3};
    const char thread = 0;
    EXPECT_EQ(l.total(), 3U);
    EXPECT_EQ(l.available(), 3U);
    EXPECT_TRUE(l.try_acquire());
    l.acquire_on_behalf_of(&thread);
    EXPECT_EQ(l.borrowed(), 2U);
    EXPECT_EQ(l.available(), 1U);
    const capacity_limiter_statistics now = l.statistics();
    EXPECT_EQ(now.total, 3U);
    EXPECT_EQ(now.borrowed, 2U);
    EXPECT_EQ(now.tasks_waiting, 0U);
    EXPECT_THAT(now.borrowers, UnorderedElementsAre(&lowlevel::current_task(), &thread));
    l.release();
    EXPECT_THAT(l.statistics().borrowers, ElementsAre(&thread));
    open_nursery([&](nursery& n) { n.start_soon([&] { l.release_on_behalf_of(&thread); }); });
    EXPECT_THAT(l.statistics().borrowers, IsEmpty());
}

TOMBOLO_TEST(capacity_limiter, gives_each_borrower_one_token_at_most) {
    capacity_limiter l{5};
    const char borrower = 0;
    l.acquire_on_behalf_of(&borrower);
    EXPECT_THAT(
        text_of<already_owner>([&] { l.acquire_on_behalf_of(&borrower); }),
        AllOf(HasSubstr("acquire_on_behalf_of"), HasSubstr("release it first")));
    text_of<already_owner>([&] { static_cast<void>(l.try_acquire_on_behalf_of(&borrower)); });
    EXPECT_EQ(l.borrowed(), 1U);
    l.release_on_behalf_of(&borrower);
    EXPECT_THAT(text_of<not_owner>([&] { l.release_on_behalf_of(&borrower); }), HasSubstr("once for each acquire"));
    text_of<not_owner>([&] { l.release(); });
    EXPECT_EQ(l.borrowed(), 0U);
}

TOMBOLO_TEST(capacity_limiter, gives_a_borrower_that_waits_twice_one_token_at_a_time) {
    capacity_limiter l{0};
    const char borrower = 0;
    int served = 0;
    int refused = 0;
    open_nursery([&](nursery& n) {
        for (int i = 0; i < 2; ++i)
            n.start_soon([&] {
                try {
                    l.acquire_on_behalf_of(&borrower);
                    ++served;
                } catch (const already_owner&) {
                    ++refused;
                }
            });
        wait_all_tasks_blocked();
        l.total(2);
        wait_all_tasks_blocked();
        EXPECT_EQ(served, 1);
        EXPECT_EQ(refused, 1);
        EXPECT_EQ(l.borrowed(), 1U);
        EXPECT_EQ(l.statistics().tasks_waiting, 0U);
    });
}

// case 69: zero
TOMBOLO_TEST(capacity_limiter, without_tokens_lets_nobody_in_until_there_are_some) {
    capacity_limiter l{0};
    EXPECT_FALSE(l.try_acquire());
    waiting_borrowers tasks;
    open_nursery([&](nursery& n) {
        tasks.wait(n, l, 1);
        EXPECT_THAT(tasks.served, IsEmpty());
        l.total(1);
        wait_all_tasks_blocked();
        EXPECT_THAT(tasks.served, ElementsAre(0));
    });
}

// case 69: inf
TOMBOLO_TEST(capacity_limiter, without_a_limit_lets_everybody_in) {
    capacity_limiter l{capacity_limiter::unlimited};
    const std::vector<char> borrowers(1000);
    for (const char& each : borrowers) EXPECT_TRUE(l.try_acquire_on_behalf_of(&each));
    EXPECT_EQ(l.borrowed(), 1000U);
    EXPECT_EQ(l.total(), capacity_limiter::unlimited);
    l.total(1000);
    EXPECT_EQ(l.available(), 0U);
    EXPECT_FALSE(l.try_acquire());
    l.total(capacity_limiter::unlimited);
    EXPECT_TRUE(l.try_acquire());
}

// case 69: change_total
TOMBOLO_TEST(capacity_limiter, wakes_as_many_as_tokens_were_added) {
    capacity_limiter l{0};
    waiting_borrowers tasks;
    open_nursery([&](nursery& n) {
        tasks.wait(n, l, 5);
        EXPECT_EQ(l.statistics().tasks_waiting, 5U);
        l.total(2);
        EXPECT_EQ(l.borrowed(), 2U) << "handed over at once";
        wait_all_tasks_blocked();
        EXPECT_THAT(tasks.served, UnorderedElementsAre(0, 1));
        l.total(1);
        EXPECT_EQ(l.borrowed(), 2U) << "nobody loses a token";
        EXPECT_EQ(l.available(), 0U);
        l.release_on_behalf_of(&tasks.borrowers[0]);
        wait_all_tasks_blocked();
        EXPECT_THAT(tasks.served, UnorderedElementsAre(0, 1)) << "the token given back was one too many";
        l.release_on_behalf_of(&tasks.borrowers[1]);
        wait_all_tasks_blocked();
        EXPECT_THAT(tasks.served, UnorderedElementsAre(0, 1, 2));
        l.total(100);
        wait_all_tasks_blocked();
        EXPECT_EQ(tasks.served.size(), 5U);
        EXPECT_EQ(l.borrowed(), 3U);
        EXPECT_EQ(l.available(), 97U);
    });
}

TOMBOLO_TEST(capacity_limiter, lets_nobody_past_those_who_wait) {
    capacity_limiter l{1};
    const char first = 0;
    const char passer_by = 0;
    waiting_borrowers tasks;
    open_nursery([&](nursery& n) {
        ASSERT_TRUE(l.try_acquire_on_behalf_of(&first));
        tasks.wait(n, l, 2);
        l.release_on_behalf_of(&first);
        EXPECT_FALSE(l.try_acquire_on_behalf_of(&passer_by));
        EXPECT_FALSE(l.try_acquire_on_behalf_of(&first));
        EXPECT_THAT(l.statistics().borrowers, ElementsAre(&tasks.borrowers[0]));
        l.release_on_behalf_of(&tasks.borrowers[0]);
        l.release_on_behalf_of(&tasks.borrowers[1]);
        EXPECT_TRUE(l.try_acquire_on_behalf_of(&passer_by));
    });
    EXPECT_THAT(tasks.served, UnorderedElementsAre(0, 1));
}

// case 69: memleak
TOMBOLO_TEST(capacity_limiter, forgets_a_borrower_that_is_cancelled_while_it_waits) {
    capacity_limiter l{1};
    const char holder = 0;
    waiting_borrowers tasks;
    open_nursery([&](nursery& n) {
        l.acquire_on_behalf_of(&holder);
        tasks.wait(n, l, 3);
        tasks.scopes[1].cancel();
        EXPECT_EQ(l.statistics().tasks_waiting, 2U);
        EXPECT_EQ(l.borrowed(), 1U);
        l.total(3);
        wait_all_tasks_blocked();
        EXPECT_THAT(tasks.served, UnorderedElementsAre(0, 2));
        EXPECT_THAT(l.statistics().borrowers, UnorderedElementsAre(&holder, &tasks.borrowers[0], &tasks.borrowers[2]));
        text_of<not_owner>([&] { l.release_on_behalf_of(&tasks.borrowers[1]); });
    });
}

TOMBOLO_TEST(capacity_limiter, refuses_totals_and_borrowers_that_make_no_sense) {
    EXPECT_THAT(text_of<invalid_count>([] { capacity_limiter l{-1}; }), AllOf(HasSubstr("-1"), HasSubstr("0 or more")));
    capacity_limiter l{1};
    EXPECT_THAT(text_of<invalid_count>([&] { l.total(-5); }), HasSubstr("-5"));
    EXPECT_EQ(l.total(), 1U);
    EXPECT_THAT(text_of<usage_error>([&] { l.acquire_on_behalf_of(nullptr); }), HasSubstr("null"));
    text_of<usage_error>([&] { static_cast<void>(l.try_acquire_on_behalf_of(nullptr)); });
    text_of<not_owner>([&] { l.release_on_behalf_of(nullptr); });
    EXPECT_EQ(l.borrowed(), 0U);
}

TOMBOLO_TEST(capacity_limiter, names_itself_in_task_trees) {
    capacity_limiter l{0};
    open_nursery([&](nursery& n) {
        n.start_soon([&] { l.acquire(); });
        wait_all_tasks_blocked();
        std::ostringstream tree;
        lowlevel::dump_tasks(tree);
        EXPECT_THAT(tree.str(), HasSubstr("capacity_limiter::acquire"));
        l.total(1);
    });
}

TOMBOLO_TEST(capacity_limiter, is_left_alone_by_calls_from_a_wrong_thread) {
    capacity_limiter l{1};
    const char holder = 0;
    waiting_borrowers tasks;
    open_nursery([&](nursery& n) {
        l.acquire_on_behalf_of(&holder);
        tasks.wait(n, l, 1);
        std::thread([&] {
            EXPECT_THAT(text_of<wrong_thread>([&] { l.release_on_behalf_of(&holder); }), HasSubstr("run_token"));
            text_of<wrong_thread>([&] { l.total(2); });
            text_of<not_in_run>([&] { l.acquire(); });
            text_of<not_in_run>([&] { static_cast<void>(l.try_acquire()); });
            text_of<not_in_run>([&] { l.release(); });
            run([&] { text_of<wrong_thread>([&] { l.acquire(); }); });
        }).join();
        EXPECT_EQ(l.total(), 1U);
        EXPECT_THAT(l.statistics().borrowers, ElementsAre(&holder));
        EXPECT_EQ(l.statistics().tasks_waiting, 1U);
        l.release_on_behalf_of(&holder);
    });
}

TEST(capacity_limiter_death, is_not_destroyed_while_somebody_waits) {
    const auto destroy = [] {
        run_test_body([] {
            std::optional<capacity_limiter> l(std::in_place, 0);
            open_nursery([&](nursery& n) {
                n.start_soon([&] { l->acquire(); });
                wait_all_tasks_blocked();
                l.reset();
            });
        });
    };
    EXPECT_DEATH(destroy(), "nobody may wait");
}

}  // namespace
}  // namespace tombolo::testing
