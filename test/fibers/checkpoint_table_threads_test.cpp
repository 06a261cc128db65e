#include "test/fibers/checkpoint_claims.hpp"
#include "test/support/mailbox.hpp"

#include <tombolo/fibers/capacity_limiter.hpp>
#include <tombolo/fibers/from_thread.hpp>
#include <tombolo/fibers/nursery.hpp>
#include <tombolo/fibers/thread_cache.hpp>
#include <tombolo/fibers/to_thread.hpp>
#include <tombolo/fibers/variables_copy.hpp>
#include <tombolo/testing/threads.hpp>
#include <tombolo/testing/wait_all_tasks_blocked.hpp>

#include <gtest/gtest.h>

// The rows of threads.

namespace tombolo::testing {
namespace {

/// The calling thread is no task: what the run's task sees of it is whether it passed a checkpoint.
void expect_wrong_thread(call_check& check, void (*call)()) {
    check([&] { EXPECT_THROW(call(), wrong_thread); });
}

const checkpoint_rows threads{
    {"fibers/thread_cache.hpp", "start_thread_soon", "never", {never([](call_check& check) {
         mailbox<> done;
         check([&] { lowlevel::start_thread_soon([] {}, [&](const outcome<>&) { done.put(); }); });
         done.get();
     })}},
    {"fibers/to_thread.hpp",
     "to_thread",
     "always",
     {at_once([](call_check& check) { check([] { EXPECT_EQ(to_thread([] { return 1; }), 1); }); }),
      waiting([](call_check& check) {
          mailbox<> go;
          open_nursery([&](nursery& n) {
              n.start_soon([&] {
                  wait_all_tasks_blocked();
                  go.put();
              });
              check([&] { to_thread([&] { go.get(); }); });
          });
          check([] { EXPECT_THROW(to_thread([] { throw std::runtime_error("no"); }), std::runtime_error); });
      })}},
    {"fibers/to_thread.hpp", "current_default_thread_limiter", "never", {never([](call_check& check) {
         check([] { EXPECT_EQ(current_default_thread_limiter().total(), 40U); });
     })}},
    {"fibers/from_thread.hpp",
     "from_thread_run",
     "never (it blocks its thread, which is no task)",
     {never([](call_check& check) { expect_wrong_thread(check, [] { from_thread::run([] {}); }); })}},
    {"fibers/from_thread.hpp", "from_thread_run_sync", "never", {never([](call_check& check) {
         expect_wrong_thread(check, [] { from_thread::run_sync([] {}); });
     })}},
    {"fibers/from_thread.hpp", "from_thread_check_cancelled", "never", {never([](call_check& check) {
         check([] { EXPECT_THROW(from_thread::check_cancelled(), not_in_run); });
     })}},
    {"fibers/variables_copy.hpp", "copy_variables", "never", {never([](call_check& check) {
         check([] { lowlevel::copy_variables(); });
     })}},
    {"fibers/variables_copy.hpp",
     "variables_copy_call",
     "never by itself; the body decides",
     {never([](call_check& check) {
         const lowlevel::variables_copy copy = lowlevel::copy_variables();
         check([&] { copy.call([] {}); });
     })}},
    {"testing/threads.hpp", "active_thread_count", "never", {never([](call_check& check) {
         check([] { EXPECT_EQ(active_thread_count(), 0U); });
     })}},
    {"testing/threads.hpp",
     "wait_all_threads_completed",
     "always",
     {at_once([](call_check& check) { check([] { wait_all_threads_completed(); }); }), waiting([](call_check& check) {
          mailbox<> go;
          open_nursery([&](nursery& n) {
              n.start_soon([&] { to_thread([&] { go.get(); }); });
              wait_all_tasks_blocked();
              n.start_soon([&] { go.put(); });
              check([] { wait_all_threads_completed(); });
          });
      })}},
};

}  // namespace
}  // namespace tombolo::testing
