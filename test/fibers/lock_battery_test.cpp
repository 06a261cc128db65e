#include "test/fibers/cancellation.hpp"
#include "test/fibers/lock_likes.hpp"
#include "test/fibers/thrown.hpp"

#include <tombolo/fibers/cancel_scope.hpp>
#include <tombolo/fibers/checkpoint.hpp>
#include <tombolo/fibers/no_checkpoint.hpp>
#include <tombolo/fibers/nursery.hpp>
#include <tombolo/fibers/run.hpp>
#include <tombolo/fibers/timeouts.hpp>
#include <tombolo/testing/checkpoints.hpp>
#include <tombolo/testing/test.hpp>
#include <tombolo/testing/wait_all_tasks_blocked.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <mutex>
#include <string>
#include <vector>

// What every lock promises, whatever it is called. Cases 70 and 71.

namespace tombolo::testing {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

/// Runs `body` in a run with a seed, and in one that moves on without looking at everything between batches.
void in_both_kinds_of_run(const std::function<void()>& body) {
    const test_report report = run_test_body(body);
    EXPECT_THAT(report.failure, IsEmpty()) << "seed " << report.seed;
    mock_clock clock{{.autojump_threshold = duration::zero()}};
    EXPECT_EQ(thrown_by([&] { run(body, {.clock = &clock, .detect_deadlock = true}); }), nullptr);
}

template <class Lock>
class lock_battery : public ::testing::Test {};

TYPED_TEST_SUITE(lock_battery, lock_likes, lock_like_names);

// case 71: generic_lock_exclusion
TYPED_TEST(lock_battery, lets_one_task_at_a_time_in) {
    in_both_kinds_of_run([] {
        TypeParam lock;
        bool inside = false;
        int entries = 0;
        open_nursery([&](nursery& n) {
            for (int i = 0; i < 5; ++i)
                n.start_soon([&] {
                    for (int round = 0; round < 10; ++round) {
                        const std::lock_guard guard(lock);
                        EXPECT_FALSE(inside);
                        inside = true;
                        ++entries;
                        checkpoint();
                        checkpoint();
                        EXPECT_TRUE(inside);
                        inside = false;
                    }
                });
        });
        EXPECT_EQ(entries, 50);
    });
}

// case 71: generic_lock_fifo_fairness
TYPED_TEST(lock_battery, serves_tasks_in_the_order_in_which_they_came) {
    in_both_kinds_of_run([] {
        TypeParam lock;
        std::vector<int> served;
        std::vector<int> asked;
        open_nursery([&](nursery& n) {
            for (int i = 0; i < 3; ++i)
                n.start_soon([&, i] {
                    for (int round = 0; round < 4; ++round) {
                        asked.push_back(i);
                        const std::lock_guard guard(lock);
                        served.push_back(i);
                    }
                });
        });
        EXPECT_EQ(served, asked);
        // From the second round on the order is that of the first one: nobody is served twice in a row.
        ASSERT_EQ(served.size(), 12U);
        for (std::size_t i = 3; i < served.size(); ++i) EXPECT_EQ(served[i], served[i - 3]) << i;
    });
}

// case 71: generic_lock_acquire_nowait_blocks_acquire
TYPED_TEST(lock_battery, once_taken_by_try_lock_makes_others_wait) {
    in_both_kinds_of_run([] {
        TypeParam lock;
        bool entered = false;
        open_nursery([&](nursery& n) {
            ASSERT_TRUE(lock.try_lock());
            n.start_soon([&] {
                EXPECT_FALSE(lock.try_lock());
                const std::lock_guard guard(lock);
                entered = true;
            });
            wait_all_tasks_blocked();
            EXPECT_FALSE(entered);
            EXPECT_EQ(lock.waiting(), 1U);
            lock.unlock();
            EXPECT_EQ(lock.waiting(), 0U) << "handed over at once";
            wait_all_tasks_blocked();
            EXPECT_TRUE(entered);
        });
    });
}

/// What `f` is told while `lock` has been handed to another task that has not run yet.
template <class Lock>
void after_a_hand_over(Lock& lock, const std::function<void()>& f) {
    open_nursery([&](nursery& n) {
        lock.lock();
        n.start_soon([&] { const std::lock_guard guard(lock); });
        wait_all_tasks_blocked();
        lock.unlock();
        f();
    });
}

// C-17
TYPED_TEST(lock_battery, is_handed_over_so_that_nobody_can_take_it_first) {
    in_both_kinds_of_run([] {
        TypeParam lock;
        after_a_hand_over(lock, [&] { EXPECT_FALSE(lock.try_lock()); });
        EXPECT_TRUE(lock.try_lock());
        lock.unlock();
    });
}

// Y9
TYPED_TEST(lock_battery, released_and_taken_again_at_once_lets_the_other_task_go_first) {
    in_both_kinds_of_run([] {
        TypeParam lock;
        std::vector<std::string> order;
        open_nursery([&](nursery& n) {
            lock.lock();
            n.start_soon([&] {
                const std::lock_guard guard(lock);
                order.emplace_back("other");
            });
            wait_all_tasks_blocked();
            lock.unlock();
            lock.lock();
            order.emplace_back("first owner again");
            lock.unlock();
        });
        EXPECT_THAT(order, ElementsAre("other", "first owner again"));
    });
}

TYPED_TEST(lock_battery, is_a_checkpoint_to_take_and_none_to_try_or_to_give_back) {
    in_both_kinds_of_run([] {
        TypeParam lock;
        assert_checkpoints([&] { lock.lock(); });
        assert_no_checkpoints([&] { lock.unlock(); });
        assert_no_checkpoints([&] { EXPECT_TRUE(lock.try_lock()); });
        open_nursery([&](nursery& n) {
            n.start_soon([&] { assert_no_checkpoints([&] { EXPECT_FALSE(lock.try_lock()); }); });
            n.start_soon([&] {
                assert_checkpoints([&] { lock.lock(); });
                lock.unlock();
            });
            wait_all_tasks_blocked();
            assert_no_checkpoints([&] { lock.unlock(); });
        });
    });
}

TYPED_TEST(lock_battery, cancelled_before_the_wait_is_not_taken) {
    in_both_kinds_of_run([] {
        TypeParam lock;
        cancel_scope scope;
        scope.cancel();
        EXPECT_FALSE(scope.run([&] { lock.lock(); }));
        EXPECT_TRUE(lock.try_lock()) << "it is free";
        lock.unlock();
    });
}

TYPED_TEST(lock_battery, cancelled_during_the_wait_is_not_taken_and_the_others_keep_their_places) {
    in_both_kinds_of_run([] {
        TypeParam lock;
        std::vector<int> served;
        cancel_scope scopes[3];
        open_nursery([&](nursery& n) {
            lock.lock();
            for (int i = 0; i < 3; ++i) {
                n.start_soon([&, i] {
                    scopes[i].run([&] {
                        const std::lock_guard guard(lock);
                        served.push_back(i);
                    });
                });
                wait_all_tasks_blocked();
            }
            EXPECT_EQ(lock.waiting(), 3U);
            scopes[1].cancel();
            EXPECT_EQ(lock.waiting(), 2U) << "it leaves inside of cancel()";
            wait_all_tasks_blocked();
            lock.unlock();
        });
        EXPECT_THAT(served, ElementsAre(0, 2));
        EXPECT_TRUE(scopes[1].cancelled_caught());
        EXPECT_TRUE(lock.try_lock());
        lock.unlock();
    });
}

// C-4
TYPED_TEST(lock_battery, handed_over_and_then_cancelled_keeps_what_it_got) {
    in_both_kinds_of_run([] {
        TypeParam lock;
        bool owned = false;
        bool cancelled_later = false;
        cancel_scope scope;
        open_nursery([&](nursery& n) {
            lock.lock();
            n.start_soon([&] {
                scope.run([&] {
                    const std::lock_guard guard(lock);
                    owned = true;
                    cancelled_later = is_cancelled_in([] { checkpoint(); });
                });
            });
            wait_all_tasks_blocked();
            lock.unlock();
            scope.cancel();
        });
        EXPECT_TRUE(owned);
        EXPECT_TRUE(cancelled_later);
        EXPECT_TRUE(lock.try_lock()) << "it was given back";
        lock.unlock();
    });
}

TYPED_TEST(lock_battery, is_given_up_by_a_guard_when_its_holder_is_cancelled) {
    in_both_kinds_of_run([] {
        TypeParam lock;
        EXPECT_FALSE(move_on_after(1s, [&] {
            const std::lock_guard guard(lock);
            sleep_forever();
        }));
        EXPECT_TRUE(lock.try_lock());
        lock.unlock();
    });
}

TYPED_TEST(lock_battery, works_with_unique_lock) {
    in_both_kinds_of_run([] {
        TypeParam lock;
        std::unique_lock first(lock, std::defer_lock);
        EXPECT_TRUE(first.try_lock());
        first.unlock();
        first.lock();
        open_nursery([&](nursery& n) {
            n.start_soon([&] { EXPECT_FALSE(std::unique_lock(lock, std::try_to_lock).owns_lock()); });
        });
        first.unlock();
        EXPECT_TRUE(std::unique_lock(lock, std::try_to_lock).owns_lock());
    });
}

TYPED_TEST(lock_battery, works_with_scoped_lock_whatever_the_order_in_which_two_are_named) {
    in_both_kinds_of_run([] {
        TypeParam a;
        TypeParam b;
        int entries = 0;
        const auto take = [&](TypeParam& one, TypeParam& other) {
            for (int round = 0; round < 5; ++round) {
                const std::scoped_lock both(one, other);
                checkpoint();
                ++entries;
            }
        };
        open_nursery([&](nursery& n) {
            n.start_soon([&] { take(a, b); });
            n.start_soon([&] { take(b, a); });
        });
        EXPECT_EQ(entries, 10);
    });
}

// case 70: lock_multiple_acquire, lock_handover
TYPED_TEST(lock_battery, that_knows_its_holder_refuses_to_be_taken_twice) {
    if constexpr (has_owner<TypeParam>)
        in_both_kinds_of_run([] {
            TypeParam lock;
            lock.lock();
            text_of<already_owner>([&] { lock.lock(); });
            text_of<already_owner>([&] { static_cast<void>(lock.try_lock()); });
            EXPECT_EQ(lock.waiting(), 0U);
            lock.unlock();
            EXPECT_TRUE(lock.try_lock()) << "nothing has changed by the refusals";
            lock.unlock();
        });
}

TYPED_TEST(lock_battery, that_knows_its_holder_is_given_back_by_nobody_else) {
    if constexpr (has_owner<TypeParam>)
        in_both_kinds_of_run([] {
            TypeParam lock;
            text_of<not_owner>([&] { lock.unlock(); });
            lock.lock();
            open_nursery([&](nursery& n) {
                n.start_soon([&] {
                    text_of<not_owner>([&] { lock.unlock(); });
                    EXPECT_FALSE(lock.try_lock()) << "it is still held";
                });
            });
            lock.unlock();
            text_of<not_owner>([&] { lock.unlock(); });
        });
}

TYPED_TEST(lock_battery, handed_over_belongs_to_the_other_task_at_once) {
    if constexpr (has_owner<TypeParam>)
        in_both_kinds_of_run([] {
            TypeParam lock;
            after_a_hand_over(lock, [&] { text_of<not_owner>([&] { lock.unlock(); }); });
        });
}

TYPED_TEST(lock_battery, is_refused_where_blocking_is_and_nothing_changes) {
    TypeParam outside;
    text_of<not_in_run>([&] { outside.lock(); });
    EXPECT_EQ(outside.waiting(), 0U);
    in_both_kinds_of_run([] {
        TypeParam lock;
        const no_checkpoint section;
        text_of<checkpoint_forbidden>([&] { lock.lock(); });
        EXPECT_TRUE(lock.try_lock());
        lock.unlock();
    });
}

}  // namespace
}  // namespace tombolo::testing
