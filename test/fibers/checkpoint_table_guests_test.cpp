#include "test/fibers/checkpoint_claims.hpp"

#include <tombolo/fibers/event.hpp>
#include <tombolo/fibers/guest_run.hpp>
#include <tombolo/fibers/nursery.hpp>
#include <tombolo/fibers/task_host.hpp>
#include <tombolo/fibers/timeouts.hpp>
#include <tombolo/testing/wait_all_tasks_blocked.hpp>

#include <gtest/gtest.h>

#include <functional>
#include <optional>

// The rows of guest runs: guests of a task, since the calls have to be made in one.

namespace tombolo::testing {
namespace {

using lowlevel::guest_run;
using lowlevel::task_host;

/// Calls `use` with a guest that waits for ever, and ends it afterwards unless `use` has.
void with_guest(const std::function<void(guest_run&)>& use) {
    task_host host;
    guest_run guest = lowlevel::start_guest_run([] { sleep_forever(); }, host, [](auto&&) {});
    use(guest);
    if (guest.ended()) return;
    guest.cancel();
    guest.drain();
}

situation on_a_guest(const std::function<void(call_check&, guest_run&)>& use) {
    return never([use](call_check& check) { with_guest([&](guest_run& guest) { use(check, guest); }); });
}

const checkpoint_rows guests{
    {"fibers/guest_run.hpp", "guest_run_ended", "never", {on_a_guest([](call_check& check, guest_run& guest) {
         check([&] { EXPECT_FALSE(guest.ended()); });
     })}},
    {"fibers/guest_run.hpp", "guest_run_cancel", "never", {on_a_guest([](call_check& check, guest_run& guest) {
         check([&] { guest.cancel("row"); });
     })}},
    {"fibers/guest_run.hpp",
     "guest_run_drain",
     "never (it blocks the host's thread)",
     {on_a_guest([](call_check& check, guest_run& guest) {
         guest.cancel();
         check([&] { guest.drain(); });
         EXPECT_TRUE(guest.ended());
     })}},
    {"fibers/guest_run.hpp", "guest_run_token", "never", {on_a_guest([](call_check& check, guest_run& guest) {
         check([&] { static_cast<void>(guest.token()); });
     })}},
    {"fibers/guest_run.hpp", "guest_run_call", "never", {on_a_guest([](call_check& check, guest_run& guest) {
         check([&] { EXPECT_FALSE(guest.call([] { return in_task(); })); });
     })}},
    {"fibers/guest_run.hpp", "start_guest_run", "never", {never([](call_check& check) {
         task_host host;
         std::optional<guest_run> guest;
         check([&] { guest.emplace(lowlevel::start_guest_run([] {}, host, [](auto&&) {})); });
         guest->drain();
     })}},
};

const checkpoint_rows hosts{
    {"fibers/task_host.hpp",
     "task_host_serve",
     "always",
     {at_once([](call_check& check) {
          task_host host;
          guest_run guest = lowlevel::start_guest_run([] {}, host, [](auto&&) {});
          guest.drain();
          check([&] { host.serve(guest); });
      }),
      waiting([](call_check& check) {
          task_host host;
          event may_end;
          guest_run guest = lowlevel::start_guest_run([&] { may_end.wait(); }, host, [](auto&&) {});
          open_nursery([&](nursery& n) {
              n.start_soon([&] {
                  wait_all_tasks_blocked();
                  guest.call([&] { may_end.set(); });
              });
              check([&] { host.serve(guest); });
          });
      })}},
};

}  // namespace
}  // namespace tombolo::testing
