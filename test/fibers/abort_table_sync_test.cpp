#include "test/fibers/abort_table.hpp"
#include "test/fibers/with_waker.hpp"

#include <tombolo/fibers/capacity_limiter.hpp>
#include <tombolo/fibers/condition_variable.hpp>
#include <tombolo/fibers/event.hpp>
#include <tombolo/fibers/mutex.hpp>
#include <tombolo/fibers/nursery.hpp>
#include <tombolo/fibers/semaphore.hpp>
#include <tombolo/fibers/strict_fifo_mutex.hpp>
#include <tombolo/testing/wait_all_tasks_blocked.hpp>

#include <gtest/gtest.h>

#include <functional>
#include <mutex>
#include <string>

// The rows of the synchronisation primitives.

namespace tombolo::testing {
namespace {

/// Locks what is free: it is locked if the call completed, and free otherwise.
template <class Lock>
void lock_free_one(attempt& make, Lock& lock) {
    const bool locked = make([&] { lock.lock(); });
    bool was_free = false;
    open_nursery([&](nursery& n) {
        n.start_soon([&] {
            was_free = lock.try_lock();
            if (was_free) lock.unlock();
        });
    });
    EXPECT_EQ(locked, !was_free);
    if (locked) lock.unlock();
}

/// Locks what another task holds until everybody waits, with a third task behind in the queue, which must be served.
template <class Lock>
void lock_held_one(attempt& make, Lock& lock) {
    bool third_served = false;
    open_nursery([&](nursery& n) {
        n.start_soon([&] {
            lock.lock();
            n.start_soon([&] {
                wait_all_tasks_blocked();
                const std::lock_guard guard(lock);
                third_served = true;
            });
            wait_all_tasks_blocked();
            wait_all_tasks_blocked();
            lock.unlock();
        });
        wait_all_tasks_blocked();
        if (make([&] { lock.lock(); })) lock.unlock();
    });
    EXPECT_TRUE(third_served);
    EXPECT_TRUE(lock.try_lock());
    lock.unlock();
}

const operation_rows locks{
    {"mutex_lock_of_a_free_one", true,
     [](attempt& make) {
         mutex m;
         lock_free_one(make, m);
     }},
    {"mutex_lock", true,
     [](attempt& make) {
         mutex m;
         lock_held_one(make, m);
     }},
    {"strict_fifo_mutex_lock", true,
     [](attempt& make) {
         strict_fifo_mutex m;
         lock_held_one(make, m);
     }},
    {"semaphore_acquire_of_a_free_unit", true,
     [](attempt& make) {
         semaphore s{1, {.max_value = 1}};
         lock_free_one(make, s);
     }},
    {"semaphore_acquire", true,
     [](attempt& make) {
         semaphore s{1, {.max_value = 1}};
         lock_held_one(make, s);
     }},
    {"capacity_limiter_acquire_of_a_free_token", true,
     [](attempt& make) {
         capacity_limiter l{1};
         lock_free_one(make, l);
         EXPECT_EQ(l.borrowed(), 0U);
     }},
    {"capacity_limiter_acquire", true,
     [](attempt& make) {
         capacity_limiter l{1};
         lock_held_one(make, l);
         EXPECT_EQ(l.borrowed(), 0U);
     }},
    {"capacity_limiter_acquire_until_there_are_more", true,
     [](attempt& make) {
         capacity_limiter l{0};
         with_waker(
             [&] { l.total(1); },
             [&] {
                 const bool acquired = make([&] { l.acquire_on_behalf_of(&make); });
                 EXPECT_EQ(l.borrowed(), acquired ? 1U : 0U);
                 EXPECT_EQ(l.statistics().tasks_waiting, 0U);
             });
     }},
};

const operation_rows waits{
    {"event_wait", true,
     [](attempt& make) {
         event e;
         with_waker(
             [&] { e.set(); },
             [&] {
                 if (make([&] { e.wait(); })) {
                     EXPECT_TRUE(e.is_set());
                 }
                 EXPECT_EQ(e.statistics().tasks_waiting, 0U);
             });
     }},
    {"event_wait_for_one_that_is_set", true,
     [](attempt& make) {
         event e;
         e.set();
         make([&] { e.wait(); });
     }},
    {"condition_variable_wait", true,
     [](attempt& make) {
         mutex m;
         condition_variable c{m};
         with_waker(
             [&] {
                 const std::lock_guard guard(m);
                 c.notify_all();
                 wait_all_tasks_blocked();  // the waiter is in the mutex's queue by now
             },
             [&] {
                 m.lock();
                 make([&] { c.wait(); });
                 EXPECT_EQ(m.statistics().owner, &lowlevel::current_task()) << "whether it was cancelled or not";
                 m.unlock();
                 EXPECT_EQ(c.statistics().tasks_waiting, 0U);
                 EXPECT_EQ(m.statistics().tasks_waiting, 0U);
             });
         EXPECT_FALSE(m.locked());
     }},
    {"condition_variable_wait_for_a_predicate", true,
     [](attempt& make) {
         mutex m;
         condition_variable c{m};
         int changes = 0;
         open_nursery([&](nursery& n) {
             n.start_soon([&] {
                 for (int i = 0; i < 2; ++i) {
                     wait_all_tasks_blocked();
                     const std::lock_guard guard(m);
                     ++changes;
                     c.notify();
                 }
             });
             m.lock();
             if (make([&] { c.wait([&] { return changes == 2; }); })) {
                 EXPECT_EQ(changes, 2);
             }
             EXPECT_EQ(m.statistics().owner, &lowlevel::current_task());
             m.unlock();
         });
     }},
};

}  // namespace
}  // namespace tombolo::testing
