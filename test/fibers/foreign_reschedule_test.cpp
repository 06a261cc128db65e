#include <tombolo/fibers/capacity_limiter.hpp>
#include <tombolo/fibers/condition_variable.hpp>
#include <tombolo/fibers/errors.hpp>
#include <tombolo/fibers/mutex.hpp>
#include <tombolo/fibers/nursery.hpp>
#include <tombolo/fibers/park.hpp>
#include <tombolo/fibers/semaphore.hpp>
#include <tombolo/testing/test.hpp>
#include <tombolo/testing/wait_all_tasks_blocked.hpp>

#include <gtest/gtest.h>

#include <functional>
#include <mutex>

// A task that waits for a primitive is rescheduled by code that has nothing to do with it: the task is told, and nobody
// else loses anything.

namespace tombolo::testing {
namespace {

/// One task waits in `wait` and is rescheduled by a stranger, with the next one behind it; then `release` is called before
/// anybody has run.
void with_a_stray(
    const std::function<void()>& wait, const std::function<void()>& wait_properly,
    const std::function<void()>& release) {
    task* stray = nullptr;
    int refused = 0;
    int served = 0;
    open_nursery([&](nursery& n) {
        n.start_soon([&] {
            stray = &lowlevel::current_task();
            try {
                wait();
            } catch (const invalid_reschedule&) {
                ++refused;
            }
        });
        wait_all_tasks_blocked();
        n.start_soon([&] {
            wait_properly();
            ++served;
        });
        wait_all_tasks_blocked();
        lowlevel::reschedule(*stray);
        release();
    });
    EXPECT_EQ(refused, 1);
    EXPECT_EQ(served, 1);
}

TOMBOLO_TEST(foreign_reschedule, of_a_task_that_waits_for_a_mutex_gives_it_nothing) {
    mutex m;
    m.lock();
    with_a_stray([&] { m.lock(); }, [&] { std::lock_guard lock{m}; }, [&] { m.unlock(); });
    EXPECT_TRUE(m.try_lock());
    m.unlock();
}

TOMBOLO_TEST(foreign_reschedule, of_a_task_that_waits_for_a_semaphore_gives_it_nothing) {
    semaphore s{0};
    with_a_stray([&] { s.acquire(); }, [&] { s.acquire(); }, [&] { s.release(); });
    EXPECT_EQ(s.value(), 0U);
}

TOMBOLO_TEST(foreign_reschedule, of_the_only_waiter_leaves_the_unit_with_the_semaphore) {
    semaphore s{0};
    open_nursery([&](nursery& n) {
        task* stray = nullptr;
        n.start_soon([&] {
            stray = &lowlevel::current_task();
            EXPECT_THROW(s.acquire(), invalid_reschedule);
        });
        wait_all_tasks_blocked();
        lowlevel::reschedule(*stray);
        s.release();
    });
    EXPECT_EQ(s.value(), 1U);
}

TOMBOLO_TEST(foreign_reschedule, of_a_task_that_waits_for_a_limiter_gives_it_nothing) {
    capacity_limiter limiter{1};
    int borrower = 0;
    limiter.acquire_on_behalf_of(&borrower);
    with_a_stray(
        [&] { limiter.acquire(); },
        [&] {
            limiter.acquire();
            limiter.release();
        },
        [&] { limiter.release_on_behalf_of(&borrower); });
    EXPECT_EQ(limiter.borrowed(), 0U);
}

TOMBOLO_TEST(foreign_reschedule, of_a_task_that_waits_for_a_condition_leaves_the_notification_to_the_next) {
    mutex m;
    condition_variable c{m};
    const auto wait = [&] {
        std::lock_guard lock{m};
        c.wait();
    };
    m.lock();
    m.unlock();
    with_a_stray(wait, wait, [&] {
        EXPECT_TRUE(m.try_lock());
        c.notify();
        m.unlock();
    });
}

TOMBOLO_TEST(foreign_reschedule, of_a_task_whose_lock_breaks_at_that_moment_does_no_harm) {
    mutex m;
    open_nursery([&](nursery& n) {
        n.start_soon([&] {
            m.lock();
            task* stray = nullptr;
            n.start_soon([&] {
                stray = &lowlevel::current_task();
                EXPECT_THROW(m.lock(), invalid_reschedule);
            });
            wait_all_tasks_blocked();
            lowlevel::reschedule(*stray);
        });
    });
    EXPECT_THROW(m.lock(), broken_resource);
}

}  // namespace
}  // namespace tombolo::testing
