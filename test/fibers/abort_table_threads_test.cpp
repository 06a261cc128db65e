#include "test/fibers/abort_table.hpp"
#include "test/fibers/cancellation.hpp"
#include "test/support/mailbox.hpp"

#include <tombolo/fibers/capacity_limiter.hpp>
#include <tombolo/fibers/from_thread.hpp>
#include <tombolo/fibers/nursery.hpp>
#include <tombolo/fibers/timeouts.hpp>
#include <tombolo/fibers/to_thread.hpp>
#include <tombolo/testing/threads.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <memory>

// The rows of threads. The threads here end as soon as they can: how long that takes nobody knows, but nothing that is
// checked depends on it.

namespace tombolo::testing {

namespace {

void expect_no_threads() {
    EXPECT_EQ(active_thread_count(), 0U);
    while (current_default_thread_limiter().borrowed() != 0) lowlevel::cancel_shielded_checkpoint();
    expect_no_waits();
}

const operation_rows threads{
    {"to_thread", true,
     [](attempt& make) {
         int calls = 0;
         int result = 0;
         const bool returned = make([&] { result = to_thread([&] { return ++calls; }); });
         // Either it was cancelled before the thread began, or it has its result.
         EXPECT_EQ(calls, returned ? 1 : 0);
         EXPECT_EQ(result, calls);
         expect_no_threads();
     }},
    {"to_thread_that_may_be_abandoned", true,
     [](attempt& make) {
         const auto calls = std::make_shared<std::atomic<int>>(0);
         int result = 0;
         if (make([&] { result = to_thread([calls] { return ++*calls; }, {.abandon_on_cancel = true}); })) {
             EXPECT_EQ(result, 1);
         } else {
             EXPECT_EQ(result, 0);
         }
         expect_no_threads();
         EXPECT_LE(*calls, 1);
     }},
    {"to_thread_that_waits_for_its_limiter", true,
     [](attempt& make) {
         capacity_limiter limiter(1);
         open_nursery([&](nursery& n) {
             EXPECT_TRUE(limiter.try_acquire_on_behalf_of(&n));
             n.start_soon([&] {
                 for (int i = 0; i < 3; ++i) lowlevel::cancel_shielded_checkpoint();
                 limiter.release_on_behalf_of(&n);
             });
             bool called = false;
             EXPECT_EQ(make([&] { to_thread([&] { called = true; }, {.limiter = &limiter}); }), called);
         });
         EXPECT_EQ(limiter.borrowed(), 0U);
         EXPECT_EQ(limiter.statistics().tasks_waiting, 0U);
         expect_no_threads();
     }},
    {"to_thread_that_calls_back", true,
     [](attempt& make) {
         // Whoever is told of the cancellation, function or thread, passes it on.
         bool back = false;
         const bool returned = make([&] {
             to_thread([&] {
                 from_thread::run([] { checkpoint(); });
                 back = true;
             });
         });
         EXPECT_EQ(back, returned);
         expect_no_threads();
     }},
    {"wait_all_threads_completed", true,
     [](attempt& make) {
         mailbox<> go;
         open_nursery([&](nursery& n) {
             n.start_soon([&] { to_thread([&] { go.get(); }); });
             while (active_thread_count() == 0) lowlevel::cancel_shielded_checkpoint();
             n.start_soon([&] {
                 for (int i = 0; i < 3; ++i) lowlevel::cancel_shielded_checkpoint();
                 go.put();
             });
             const bool waited = make([] { wait_all_threads_completed(); });
             EXPECT_TRUE(!waited || active_thread_count() == 0);
         });
         expect_no_threads();
     }},
};

}  // namespace

}  // namespace tombolo::testing
