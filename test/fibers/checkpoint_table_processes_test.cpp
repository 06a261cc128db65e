#include "test/fibers/checkpoint_claims.hpp"

#include <tombolo/fibers/nursery.hpp>
#include <tombolo/fibers/os/run_process.hpp>
#include <tombolo/testing/wait_all_tasks_blocked.hpp>

#include <gtest/gtest.h>

#include <csignal>
#include <functional>

#include <sys/wait.h>

// The rows of processes.

namespace tombolo::testing {
namespace {

using os::open_process;
using os::process;
using os::redirect;
using os::run_process;

/// A child that goes on until it gets a signal, and is gone in the end.
void with_child(const std::function<void(process&)>& main) {
    process child = open_process({"sleep", "1000000"});
    main(child);
    child.kill();
    child.wait();
}

void kill_and_block(process& child) {
    child.kill();
    siginfo_t end;
    EXPECT_EQ(::waitid(P_PID, static_cast<id_t>(child.pid()), &end, WEXITED | WNOWAIT), 0);
}

const checkpoint_rows processes{
    {"fibers/os/process_options.hpp", "current_environment", "never", {never([](call_check& check) {
         check([] { EXPECT_FALSE(os::current_environment().empty()); });
     })}},
    {"fibers/os/process.hpp", "process_poll", "never", {never([](call_check& check) {
         with_child([&](process& child) {
             check([&] { EXPECT_FALSE(child.poll()); });
             kill_and_block(child);
             check([&] { EXPECT_EQ(child.returncode(), -SIGKILL); });
         });
     })}},
    {"fibers/os/process.hpp",
     "process_wait",
     "always",
     {at_once([](call_check& check) {
          with_child([&](process& child) {
              kill_and_block(child);
              check([&] { EXPECT_EQ(child.wait(), -SIGKILL); });
              check([&] { EXPECT_EQ(child.wait(), -SIGKILL); });
          });
      }),
      waiting([](call_check& check) {
          with_child([&](process& child) {
              open_nursery([&](nursery& n) {
                  n.start_soon([&] {
                      wait_all_tasks_blocked();
                      child.kill();
                  });
                  check([&] { EXPECT_EQ(child.wait(), -SIGKILL); });
              });
          });
      })}},
    {"fibers/os/process.hpp", "process_send_signal", "never", {never([](call_check& check) {
         with_child([&](process& child) { check([&] { child.send_signal(0); }); });
     })}},
    {"fibers/os/process.hpp", "process_terminate", "never", {never([](call_check& check) {
         with_child([&](process& child) { check([&] { child.terminate(); }); });
     })}},
    {"fibers/os/process.hpp", "process_kill", "never", {never([](call_check& check) {
         with_child([&](process& child) { check([&] { child.kill(); }); });
     })}},
    {"fibers/os/process.hpp",
     "open_process",
     "always",
     {at_once([](call_check& check) { check([] { open_process({"true"}).wait(); }); }), waiting([](call_check& check) {
          check([] { EXPECT_THROW(static_cast<void>(open_process({"/no/such"})), io_error); });
      })}},
    {"fibers/os/run_process.hpp",
     "terminate_then_kill",
     "always",
     {at_once([](call_check& check) {
          // Whoever knows that the child has ended cancels it; nobody does here, and it says so on stderr.
          with_child([&](process& child) { check([&] { os::terminate_then_kill(child); }); });
      }),
      waiting([](call_check& check) {
          with_child([&](process& child) {
              kill_and_block(child);
              check([&] { os::terminate_then_kill(child); });
          });
      })}},
    {"fibers/os/run_process.hpp",
     "run_process",
     "always",
     {at_once([](call_check& check) { check([] { run_process({"true"}); }); }), waiting([](call_check& check) {
          check([] { EXPECT_EQ(run_process({"cat"}, {.input = "x", .capture_output = true}).output, "x"); });
      })}},
    {"fibers/os/run_process.hpp",
     "run_process_in_a_nursery",
     "always",
     {at_once([](call_check& check) { check([] { run_process({"true"}, ignored_task_status<process>()); }); }),
      waiting([](call_check& check) {
          open_nursery([&](nursery& n) {
              process child = n.start<process>([&](task_status<process>& status) {
                  check([&] { run_process({"cat"}, status, {.standard_input = redirect::pipe}); });
              });
              child.standard_input().aclose();
          });
      })}},
};

}  // namespace
}  // namespace tombolo::testing
