#include "test/fibers/thrown.hpp"
#include "test/support/mailbox.hpp"

#include <tombolo/testing/test.hpp>
#include <tombolo/testing/threads.hpp>
#include <tombolo/testing/wait_all_tasks_blocked.hpp>
#include <tombolo/tombolo.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <set>
#include <thread>

namespace {

namespace tb = tombolo;
namespace from_thread = tb::from_thread;
using namespace std::chrono_literals;

std::set<std::thread::id> threads_of_a_recursion(int depth) {
    std::set<std::thread::id> seen{std::this_thread::get_id()};
    if (depth > 0)
        seen.merge(from_thread::run([&] { return tb::to_thread([&] { return threads_of_a_recursion(depth - 1); }); }));
    return seen;
}

// case 79: recursive_to_thread; H10
TOMBOLO_TEST(threads_recursion, uses_another_thread_at_each_level) {
    EXPECT_EQ(tb::to_thread([] { return threads_of_a_recursion(5); }).size(), 6U);
    EXPECT_EQ(tb::testing::active_thread_count(), 0U);
}

TOMBOLO_TEST(threads_recursion, stays_in_one_task) {
    const tb::task* host = &tb::lowlevel::current_task();
    tb::to_thread([&] {
        from_thread::run([&] {
            tb::to_thread([&] {
                from_thread::run([&] {
                    EXPECT_EQ(&tb::lowlevel::current_task(), host);
                    EXPECT_EQ(tb::testing::active_thread_count(), 2U);
                });
            });
        });
        // The outer thread is served again after the inner one.
        from_thread::run_sync([&] { EXPECT_EQ(tb::testing::active_thread_count(), 1U); });
    });
}

TOMBOLO_TEST(threads_recursion, is_cancelled_through_all_levels) {
    tb::cancel_scope scope;
    int cancelled = 0;
    scope.run([&] {
        tb::to_thread([&] {
            try {
                from_thread::run([&] {
                    tb::to_thread([&] {
                        try {
                            from_thread::run([&] {
                                scope.cancel();
                                tb::checkpoint();
                            });
                        } catch (const tb::cancelled&) {
                            ++cancelled;
                            throw;
                        }
                    });
                });
            } catch (const tb::cancelled&) {
                ++cancelled;
                throw;
            }
        });
    });
    EXPECT_EQ(cancelled, 2);
    EXPECT_TRUE(scope.cancelled_caught());
}

// case 79: reentry_doesnt_deadlock
TOMBOLO_TEST(threads_recursion, does_not_deadlock_when_many_tasks_reenter) {
    int rounds = 0;
    tb::open_nursery([&](tb::nursery& n) {
        for (int i = 0; i < 4; ++i)
            n.start_soon([&] {
                for (int j = 0; j < 50; ++j) {
                    tb::to_thread([] { from_thread::run([] { tb::sleep_for(0s); }); });
                    ++rounds;
                }
            });
    });
    EXPECT_EQ(rounds, 200);
}

TOMBOLO_TEST(threads_recursion, works_in_a_run_of_its_own_inside_a_thread) {
    const int sum = tb::to_thread([] {
        return tb::run([] {
                   const int inner = tb::to_thread([] { return from_thread::run([] { return 20; }); });
                   // The thread of the outer call has a run of its own now, and must not stop it.
                   EXPECT_THROW(from_thread::run([] {}), tb::wrong_thread);
                   return inner + 1;
               }) +
            from_thread::run([] { return 21; });
    });
    EXPECT_EQ(sum, 42);
}

}  // namespace
