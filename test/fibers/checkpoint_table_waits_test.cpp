#include "test/fibers/cancellation.hpp"
#include "test/fibers/checkpoint_claims.hpp"
#include "test/fibers/with_waker.hpp"
#include "test/support/descriptors.hpp"

#include <tombolo/fibers/cancel_scope.hpp>
#include <tombolo/fibers/nursery.hpp>
#include <tombolo/fibers/park.hpp>
#include <tombolo/fibers/parking_lot.hpp>
#include <tombolo/fibers/timeouts.hpp>
#include <tombolo/fibers/wait_fd.hpp>
#include <tombolo/testing/sequencer.hpp>
#include <tombolo/testing/wait_all_tasks_blocked.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <functional>

// The rows of what blocks, and of halves of checkpoints.

namespace tombolo::testing {
namespace {

using namespace std::chrono_literals;

void with_busy_task(const std::function<void()>& main) {
    open_nursery([&](nursery& n) {
        n.start_soon([] {
            for (int i = 0; i < 3; ++i) lowlevel::cancel_shielded_checkpoint();
        });
        main();
    });
}

const checkpoint_rows checkpoints{
    {"fibers/checkpoint.hpp",
     "checkpoint",
     "always",
     {at_once([](call_check& check) { check([] { checkpoint(); }); }),
      waiting([](call_check& check) { with_busy_task([&] { check([] { checkpoint(); }); }); })}},
    {"fibers/checkpoint.hpp",
     "checkpoint_if_cancelled",
     "only its cancellation half",
     {{"uncancelled", promise::cancel_half,
       [](call_check& check) { check([] { lowlevel::checkpoint_if_cancelled(); }); }},
      {"cancelled", promise::always,
       [](call_check& check) {
           cancel_scope scope;
           scope.cancel();
           EXPECT_FALSE(scope.run([&] { check([] { lowlevel::checkpoint_if_cancelled(); }); }));
       }}}},
    {"fibers/checkpoint.hpp",
     "cancel_shielded_checkpoint",
     "only its scheduling half",
     {{"uncancelled", promise::schedule_half,
       [](call_check& check) { check([] { lowlevel::cancel_shielded_checkpoint(); }); }},
      {"cancelled", promise::schedule_half,
       [](call_check& check) {
           cancel_scope scope;
           scope.cancel();
           EXPECT_TRUE(scope.run([&] { check([] { lowlevel::cancel_shielded_checkpoint(); }); }));
       }}}},
};

const checkpoint_rows sleeps{
    {"fibers/timeouts.hpp",
     "sleep_until",
     "always",
     {at_once([](call_check& check) {
          sleep_for(1s);
          check([] { sleep_until(now()); });
          check([] { sleep_until(now() - 1ns); });
          check([] { sleep_until(time_point::min()); });
      }),
      waiting([](call_check& check) { check([] { sleep_until(now() + 1h); }); })}},
    {"fibers/timeouts.hpp",
     "sleep_for",
     "always",
     {at_once([](call_check& check) { check([] { sleep_for(0s); }); }),
      waiting([](call_check& check) { check([] { sleep_for(1ns); }); })}},
    {"fibers/timeouts.hpp", "sleep_forever", "always", {waiting([](call_check& check) {
         EXPECT_FALSE(move_on_after(1h, [&] { check([] { sleep_forever(); }); }));
     })}},
};

const checkpoint_rows parks{
    {"fibers/park.hpp",
     "park",
     "always",
     {waiting([](call_check& check) {
          task& self = lowlevel::current_task();
          with_waker([&] { lowlevel::reschedule(self); }, [&] { check([] { park_willingly(); }); });
      }),
      {"cancelled_before", promise::always,
       [](call_check& check) {
           cancel_scope scope;
           scope.cancel();
           EXPECT_FALSE(scope.run([&] { check([] { park_willingly(); }); }));
       }}}},
    {"fibers/parking_lot.hpp", "parking_lot_park", "always", {waiting([](call_check& check) {
         lowlevel::parking_lot lot;
         with_waker([&] { lot.unpark(); }, [&] { check([&] { lot.park(); }); });
     })}},
    {"testing/wait_all_tasks_blocked.hpp",
     "wait_all_tasks_blocked",
     "always",
     {at_once([](call_check& check) { check([] { wait_all_tasks_blocked(); }); }),
      waiting([](call_check& check) { with_busy_task([&] { check([] { wait_all_tasks_blocked(); }); }); })}},
    {"testing/sequencer.hpp",
     "sequencer_call",
     "always for position > 0, never by itself for 0",
     {never([](call_check& check) {
          sequencer in_turn;
          check([&] { in_turn(0, [] {}); });
      }),
      at_once([](call_check& check) {
          sequencer in_turn;
          in_turn(0, [] {});
          check([&] { in_turn(1, [] {}); });
      }),
      waiting([](call_check& check) {
          sequencer in_turn;
          with_waker([&] { in_turn(0, [] {}); }, [&] { check([&] { in_turn(1, [] {}); }); });
      })}},
};

const checkpoint_rows descriptors{
    {"fibers/wait_fd.hpp",
     "wait_readable_and_wait_writable",
     "always",
     {at_once([](call_check& check) {
          const open_sockets sockets;
          put(sockets.far, "x");
          check([&] { lowlevel::wait_readable(sockets.near.get()); });
          check([&] { lowlevel::wait_writable(sockets.near.get()); });
      }),
      waiting([](call_check& check) {
          const open_sockets sockets;
          fill(sockets.near);
          with_waker(
              [&] { put(sockets.far, "x"); }, [&] { check([&] { lowlevel::wait_readable(sockets.near.get()); }); });
          with_waker([&] { take(sockets.far); }, [&] { check([&] { lowlevel::wait_writable(sockets.near.get()); }); });
      })}},
    {"fibers/wait_fd.hpp", "notify_closing", "never", {never([](call_check& check) {
         const open_pipe pipe;
         check([&] { lowlevel::notify_closing(pipe.reader.get()); });
         open_nursery([&](nursery& n) {
             n.start_soon([&] { EXPECT_THROW(lowlevel::wait_readable(pipe.reader.get()), closed_resource); });
             wait_all_tasks_blocked();
             check([&] { lowlevel::notify_closing(pipe.reader.get()); });
         });
     })}},
};

/// Leaving a nursery in a scope that is cancelled meanwhile: it is never the nursery that throws.
void leave_cancelled(call_check& check, const std::function<void(nursery&, cancel_scope&)>& body) {
    cancel_scope scope;
    EXPECT_TRUE(scope.run([&] { check([&] { open_nursery([&](nursery& n) { body(n, scope); }); }); }));
    EXPECT_FALSE(scope.cancelled_caught());
    EXPECT_TRUE(scope.cancel_called());
}

const checkpoint_rows nurseries{
    {"fibers/nursery.hpp",
     "open_nursery",
     "leaving always lets others run, and is never the place where cancellation surfaces",
     {{"empty", promise::schedule_half, [](call_check& check) { check([] { open_nursery([](nursery&) {}); }); }},
      {"empty_and_cancelled", promise::schedule_half,
       [](call_check& check) { leave_cancelled(check, [](nursery&, cancel_scope& scope) { scope.cancel(); }); }},
      {"with_a_child", promise::always,
       [](call_check& check) { check([] { open_nursery([](nursery& n) { n.start_soon([] { sleep_for(1h); }); }); }); }},
      {"with_a_child_that_outlives_the_cancellation", promise::always,
       [](call_check& check) {
           leave_cancelled(check, [](nursery& n, cancel_scope& scope) {
               n.start_soon([&] {
                   wait_all_tasks_blocked();
                   scope.cancel();
                   lowlevel::cancel_shielded_checkpoint();
               });
           });
       }}}},
    {"fibers/nursery.hpp",
     "nursery_start",
     "always",
     {at_once([](call_check& check) {
          open_nursery([&](nursery& n) { check([&] { n.start([](task_status<>& status) { status.started(); }); }); });
      }),
      waiting([](call_check& check) {
          open_nursery([&](nursery& n) {
              check([&] {
                  EXPECT_EQ(
                      n.start<int>([](task_status<int>& status) {
                          sleep_for(1h);
                          status.started(7);
                      }),
                      7);
              });
          });
      })}},
    {"fibers/nursery.hpp", "nursery_start_soon", "never", {never([](call_check& check) {
         open_nursery([&](nursery& n) { check([&] { n.start_soon([] { checkpoint(); }); }); });
     })}},
};

}  // namespace
}  // namespace tombolo::testing
