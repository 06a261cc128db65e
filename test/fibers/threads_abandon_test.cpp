#include "test/fibers/thrown.hpp"
#include "test/support/mailbox.hpp"

#include <tombolo/testing/test.hpp>
#include <tombolo/testing/threads.hpp>
#include <tombolo/testing/wait_all_tasks_blocked.hpp>
#include <tombolo/tombolo.hpp>

#include <gtest/gtest.h>

#include <memory>
#include <stdexcept>
#include <thread>
#include <utility>

namespace {

namespace tb = tombolo;
using tb::testing::active_thread_count;
using tb::testing::mailbox;
using tb::testing::wait_all_tasks_blocked;

// What an abandoned function uses: owned by whoever comes last.
struct signals {
    mailbox<> go;
    mailbox<> done;
};

// Calls `f` so that it may be abandoned, and abandons it once it has begun. True when the call was cancelled.
template <class F>
bool abandon(F f, tb::thread_limiter_ref limiter = {}) {
    tb::cancel_scope scope;
    tb::open_nursery([&](tb::nursery& n) {
        n.start_soon(
            [&] { scope.run([&] { tb::to_thread(std::move(f), {.limiter = limiter, .abandon_on_cancel = true}); }); });
        wait_all_tasks_blocked();
        scope.cancel("abandoned");
    });
    return scope.cancelled_caught();
}

// case 77: run_in_worker_thread_cancellation (abandon)
TOMBOLO_TEST(to_thread_abandon, throws_cancelled_at_once_while_the_thread_goes_on) {
    const auto shared = std::make_shared<signals>();
    EXPECT_TRUE(abandon([shared] {
        shared->go.get();
        shared->done.put();
    }));
    EXPECT_EQ(active_thread_count(), 0U);
    // It still waits, and goes on when it is told to.
    shared->go.put();
    shared->done.get();
    while (tb::current_default_thread_limiter().borrowed() != 0) tb::checkpoint();
}

// case 77: abandoned late error ignored
TOMBOLO_TEST(to_thread_abandon, drops_a_late_error) {
    const auto shared = std::make_shared<signals>();
    EXPECT_TRUE(abandon([shared] {
        shared->go.get();
        throw std::runtime_error("nobody hears this");
    }));
    shared->go.put();
    // The token comes back with the dropped error.
    while (tb::current_default_thread_limiter().borrowed() != 0) tb::checkpoint();
}

// H3: limiter released only when the thread really ends
TOMBOLO_TEST(to_thread_abandon, keeps_its_token_until_the_thread_has_ended) {
    const auto shared = std::make_shared<signals>();
    tb::capacity_limiter limiter(1);
    EXPECT_TRUE(abandon([shared] { shared->go.get(); }, &limiter));
    EXPECT_EQ(limiter.borrowed(), 1U);
    // While it has none the next call waits, without a thread.
    tb::cancel_scope scope;
    bool called = false;
    tb::open_nursery([&](tb::nursery& n) {
        n.start_soon([&] { tb::to_thread([&] { called = true; }, {.limiter = &limiter}); });
        wait_all_tasks_blocked();
        EXPECT_FALSE(called);
        EXPECT_EQ(active_thread_count(), 0U);
        EXPECT_EQ(limiter.statistics().tasks_waiting, 1U);
        shared->go.put();
    });
    EXPECT_TRUE(called);
    EXPECT_EQ(limiter.borrowed(), 0U);
}

TOMBOLO_TEST(to_thread_abandon, returns_the_result_of_a_call_that_nobody_cancels) {
    EXPECT_EQ(tb::to_thread([] { return 3; }, {.abandon_on_cancel = true}), 3);
    EXPECT_EQ(tb::current_default_thread_limiter().borrowed(), 0U);
}

TOMBOLO_TEST(to_thread_abandon, keeps_a_limiter_alive_that_it_shares) {
    const auto shared = std::make_shared<signals>();
    auto limiter = std::make_shared<tb::capacity_limiter>(1);
    const std::weak_ptr<tb::capacity_limiter> watched = limiter;
    EXPECT_TRUE(abandon([shared] { shared->go.get(); }, std::move(limiter)));
    EXPECT_FALSE(watched.expired());
    shared->go.put();
    while (!watched.expired()) tb::checkpoint();
}

// H3, C-19: also after the run has ended
TEST(to_thread_abandon, drops_what_comes_after_the_run_has_ended) {
    for (const bool fails : {false, true}) {
        const auto shared = std::make_shared<signals>();
        auto result = std::make_shared<int>(1);
        const std::weak_ptr<int> watched = result;
        tb::run([&, result = std::move(result)]() mutable {
            EXPECT_TRUE(abandon([shared, fails, result = std::move(result)] {
                shared->go.get();
                if (fails) throw std::runtime_error("nobody hears this");
                return result;
            }));
        });
        EXPECT_FALSE(watched.expired());
        shared->go.put();
        // The function and its result are destroyed by the thread; nothing is to be seen but that.
        while (!watched.expired()) std::this_thread::yield();
    }
}

TEST(to_thread_abandon, lets_the_run_end_while_its_thread_goes_on) {
    const auto shared = std::make_shared<signals>();
    tb::run([&] {
        EXPECT_TRUE(abandon([shared] {
            shared->go.get();
            shared->done.put();
        }));
    });
    // Another run begins meanwhile, and is not disturbed.
    tb::run([&] {
        shared->go.put();
        shared->done.get();
        EXPECT_EQ(tb::to_thread([] { return 1; }), 1);
        EXPECT_EQ(active_thread_count(), 0U);
    });
}

}  // namespace
