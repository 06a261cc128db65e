#include "test/fibers/checkpoint_claims.hpp"
#include "test/fibers/with_waker.hpp"

#include <tombolo/fibers/channel.hpp>
#include <tombolo/fibers/nursery.hpp>
#include <tombolo/fibers/with_generator.hpp>
#include <tombolo/testing/wait_all_tasks_blocked.hpp>

#include <gtest/gtest.h>

#include <functional>

// The rows of channels and generators.

namespace tombolo::testing {
namespace {

const checkpoint_rows senders{
    {"fibers/sender.hpp",
     "sender_send",
     "always",
     {at_once([](call_check& check) {
          auto [tx, rx] = open_channel<int>(1);
          check([&] { tx.send(1); });
      }),
      {"to_who_waits", promise::always,
       [](call_check& check) {
           auto [tx, rx] = open_channel<int>(0);
           open_nursery([&](nursery& n) {
               n.start_soon([&] { rx.receive(); });
               wait_all_tasks_blocked();
               check([&] { tx.send(1); });
           });
       }},
      waiting([](call_check& check) {
          auto [tx, rx] = open_channel<int>(0);
          with_waker([&] { rx.receive(); }, [&] { check([&] { tx.send(1); }); });
      })}},
    {"fibers/sender.hpp", "sender_try_send", "never", {never([](call_check& check) {
         auto [tx, rx] = open_channel<int>(1);
         check([&] { EXPECT_TRUE(tx.try_send(1)); });
         check([&] { EXPECT_FALSE(tx.try_send(2)); });
     })}},
    {"fibers/sender.hpp",
     "sender_wait_for_receiver",
     "always",
     {at_once([](call_check& check) {
          auto [tx, rx] = open_channel<int>(0);
          open_nursery([&](nursery& n) {
              n.start_soon([&] { rx.receive(); });
              wait_all_tasks_blocked();
              check([&] { tx.wait_for_receiver(); });
              tx.send(1);
          });
      }),
      waiting([](call_check& check) {
          auto [tx, rx] = open_channel<int>(0);
          with_waker(
              [&] { rx.receive(); },
              [&] {
                  check([&] { tx.wait_for_receiver(); });
                  tx.send(1);
              });
      })}},
    {"fibers/sender.hpp", "sender_clone", "never", {never([](call_check& check) {
         auto [tx, rx] = open_channel<int>(0);
         check([&] { tx.clone(); });
     })}},
    {"fibers/sender.hpp", "sender_close", "never", {never([](call_check& check) {
         auto [tx, rx] = open_channel<int>(0);
         open_nursery([&](nursery& n) {
             n.start_soon([&] { EXPECT_THROW(rx.receive(), end_of_channel); });
             wait_all_tasks_blocked();
             check([&] { tx.close(); });
         });
     })}},
};

const checkpoint_rows receivers{
    {"fibers/receiver.hpp",
     "receiver_receive",
     "always",
     {at_once([](call_check& check) {
          auto [tx, rx] = open_channel<int>(1);
          tx.send(1);
          check([&] { rx.receive(); });
      }),
      {"from_who_waits", promise::always,
       [](call_check& check) {
           auto [tx, rx] = open_channel<int>(0);
           open_nursery([&](nursery& n) {
               n.start_soon([&] { tx.send(1); });
               wait_all_tasks_blocked();
               check([&] { rx.receive(); });
           });
       }},
      waiting([](call_check& check) {
          auto [tx, rx] = open_channel<int>(0);
          with_waker([&] { tx.send(1); }, [&] { check([&] { rx.receive(); }); });
      })}},
    {"fibers/receiver.hpp", "receiver_try_receive", "never", {never([](call_check& check) {
         auto [tx, rx] = open_channel<int>(1);
         check([&] { rx.try_receive(); });
         tx.send(1);
         check([&] { rx.try_receive(); });
     })}},
    {"fibers/receiver.hpp",
     "receiver_iteration",
     "always",
     {at_once([](call_check& check) {
          auto [tx, rx] = open_channel<int>(2);
          tx.send(1);
          tx.send(2);
          check([&] {
              auto at = rx.begin();
              check([&] { ++at; });
          });
      }),
      waiting([](call_check& check) {
          auto [tx, rx] = open_channel<int>(0);
          with_waker([&] { tx.send(1); }, [&] { check([&] { rx.begin(); }); });
      })}},
    {"fibers/receiver.hpp", "receiver_clone", "never", {never([](call_check& check) {
         auto [tx, rx] = open_channel<int>(0);
         check([&] { rx.clone(); });
     })}},
    {"fibers/receiver.hpp", "receiver_close", "never", {never([](call_check& check) {
         auto [tx, rx] = open_channel<int>(0);
         open_nursery([&](nursery& n) {
             n.start_soon([&] { EXPECT_THROW(tx.send(1), broken_resource); });
             wait_all_tasks_blocked();
             check([&] { rx.close(); });
         });
     })}},
    {"fibers/channel.hpp", "open_channel", "never", {never([](call_check& check) {
         check([] { static_cast<void>(open_channel<int>(1)); });
     })}},
};

const checkpoint_rows generators{
    {"fibers/with_generator.hpp",
     "yielder_emit",
     "always",
     {at_once([](call_check& check) {
          with_generator<int>(
              [&](yielder<int>& to) {
                  wait_all_tasks_blocked();
                  check([&] { to.emit(1); });
                  to.emit(2);
              },
              [](receiver<int>& rx) {
                  open_nursery([&](nursery& n) {
                      for (int i = 0; i < 2; ++i) n.start_soon([&] { rx.receive(); });
                  });
              });
      }),
      waiting([](call_check& check) {
          with_generator<int>(
              [&](yielder<int>& to) {
                  check([&] { to.emit(1); });
                  to.emit(2);
              },
              [](receiver<int>& rx) {
                  rx.receive();
                  wait_all_tasks_blocked();
                  rx.receive();
              });
      })}},
    {"fibers/with_generator.hpp",
     "with_generator",
     "leaving always lets others run",
     {{"that_nobody_asks", promise::always,
       [](call_check& check) { check([] { with_generator<int>([](yielder<int>&) {}, [](receiver<int>&) {}); }); }}}},
};

}  // namespace
}  // namespace tombolo::testing
