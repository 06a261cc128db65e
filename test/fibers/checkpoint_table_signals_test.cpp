#include "test/fibers/checkpoint_claims.hpp"
#include "test/fibers/dispositions.hpp"

#include <tombolo/fibers/nursery.hpp>
#include <tombolo/fibers/signal_subscription.hpp>
#include <tombolo/fibers/signals.hpp>
#include <tombolo/testing/wait_all_tasks_blocked.hpp>

#include <gtest/gtest.h>

#include <csignal>
#include <functional>

// The rows of signals.

namespace tombolo::testing {
namespace {

using os::open_signal_receiver;
using os::signal_receiver;

/// Raises SIGUSR1 when everybody waits, while `main` goes on.
void with_raiser(const std::function<void()>& main) {
    open_nursery([&](nursery& n) {
        n.start_soon([] {
            wait_all_tasks_blocked();
            std::raise(SIGUSR1);
        });
        main();
    });
}

const checkpoint_rows receivers{
    {"fibers/signals.hpp",
     "signal_receive",
     "always",
     {at_once([](call_check& check) {
          signal_receiver receiver = open_signal_receiver({SIGUSR1});
          std::raise(SIGUSR1);
          check([&] { EXPECT_EQ(receiver.receive(), SIGUSR1); });
      }),
      waiting([](call_check& check) {
          signal_receiver receiver = open_signal_receiver({SIGUSR1});
          with_raiser([&] { check([&] { EXPECT_EQ(receiver.receive(), SIGUSR1); }); });
      })}},
    {"fibers/signals.hpp",
     "signal_receiver_begin",
     "always",
     {at_once([](call_check& check) {
          signal_receiver receiver = open_signal_receiver({SIGUSR1});
          std::raise(SIGUSR1);
          check([&] { EXPECT_EQ(*receiver.begin(), SIGUSR1); });
      }),
      waiting([](call_check& check) {
          signal_receiver receiver = open_signal_receiver({SIGUSR1});
          with_raiser([&] { check([&] { EXPECT_EQ(*receiver.begin(), SIGUSR1); }); });
      })}},
    {"fibers/signals.hpp", "signal_try_receive", "never", {never([](call_check& check) {
         signal_receiver receiver = open_signal_receiver({SIGUSR1});
         check([&] { EXPECT_FALSE(receiver.try_receive()); });
         std::raise(SIGUSR1);
         check([&] { EXPECT_TRUE(receiver.try_receive()); });
     })}},
    {"fibers/signals.hpp", "signal_pending", "never", {never([](call_check& check) {
         signal_receiver receiver = open_signal_receiver({SIGUSR1});
         check([&] { EXPECT_EQ(receiver.pending(), 0U); });
     })}},
    {"fibers/signals.hpp", "signal_close", "never", {never([](call_check& check) {
         const scoped_disposition ignored(SIGUSR1, SIG_IGN);
         signal_receiver receiver = open_signal_receiver({SIGUSR1});
         std::raise(SIGUSR1);
         check([&] { receiver.close(); });
     })}},
    {"fibers/signals.hpp", "open_signal_receiver", "never", {never([](call_check& check) {
         check([] { open_signal_receiver({SIGUSR1, SIGUSR2}); });
     })}},
};

const checkpoint_rows subscriptions{
    {"fibers/signal_subscription.hpp", "signal_subscription", "never", {never([](call_check& check) {
         check([] { lowlevel::signal_subscription(SIGUSR1, [] {}); });
     })}},
    {"fibers/signal_subscription.hpp", "signal_subscription_take", "never", {never([](call_check& check) {
         lowlevel::signal_subscription subscription(SIGUSR1, [] {});
         std::raise(SIGUSR1);
         check([&] { EXPECT_NE(subscription.take(), 0U); });
     })}},
    {"fibers/signal_subscription.hpp", "signal_subscription_close", "never", {never([](call_check& check) {
         lowlevel::signal_subscription subscription(SIGUSR1, [] {});
         check([&] { subscription.close(); });
     })}},
    {"fibers/signal_subscription.hpp", "signal_subscription_hand_on", "never", {never([](call_check& check) {
         const counting_handler own(SIGUSR1);
         lowlevel::signal_subscription subscription(SIGUSR1, [] {});
         std::raise(SIGUSR1);
         subscription.close();
         check([&] { subscription.hand_on(subscription.take()); });
         EXPECT_EQ(own.calls(), 1);
     })}},
    {"fibers/signal_subscription.hpp", "require_receivable_signal", "never", {never([](call_check& check) {
         check([] { lowlevel::require_receivable_signal(SIGUSR1, "test"); });
     })}},
};

}  // namespace
}  // namespace tombolo::testing
