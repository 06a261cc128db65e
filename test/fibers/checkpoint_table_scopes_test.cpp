#include "test/fibers/checkpoint_claims.hpp"

#include <tombolo/fibers/cancel_scope.hpp>
#include <tombolo/fibers/nursery.hpp>
#include <tombolo/fibers/timeouts.hpp>
#include <tombolo/testing/test_run.hpp>
#include <tombolo/testing/wait_all_tasks_blocked.hpp>

#include <gtest/gtest.h>

#include <chrono>

// The rows of cancel scopes and timeouts.

namespace tombolo::testing {
namespace {

using namespace std::chrono_literals;

/// Has a task blocked in a scope that is entered, so that what is done to the scope reaches somebody.
template <class Use>
void with_scope_in_use(Use use) {
    cancel_scope scope;
    open_nursery([&](nursery& n) {
        n.start_soon([&] { scope.run([] { sleep_forever(); }); });
        wait_all_tasks_blocked();
        use(scope);
        scope.cancel();
    });
}

const checkpoint_rows timeouts{
    {"fibers/timeouts.hpp",
     "move_on_at_and_move_on_after",
     "never by itself; the body decides",
     {never([](call_check& check) {
         check([] { EXPECT_TRUE(move_on_at(now() + 1s, [] {})); });
         check([] { EXPECT_TRUE(move_on_at(now(), [] {})); });
         check([] { EXPECT_TRUE(move_on_after(0s, [] {})); });
     })}},
    {"fibers/timeouts.hpp",
     "fail_at_and_fail_after",
     "never by itself; the body decides",
     {never([](call_check& check) {
         check([] { fail_at(now() - 1s, [] {}); });
         check([] { EXPECT_EQ(fail_after(0s, [] { return 3; }), 3); });
     })}},
    {"fibers/cancel_scope.hpp", "current_effective_deadline", "never", {never([](call_check& check) {
         check([] { EXPECT_EQ(current_effective_deadline(), time_point::max()); });
         move_on_after(0s, [&] {
             lowlevel::cancel_shielded_checkpoint();
             check([] { current_effective_deadline(); });
         });
     })}},
};

const checkpoint_rows scopes{
    {"fibers/cancel_scope.hpp", "cancel_scope_run", "never by itself; the body decides", {never([](call_check& check) {
         check([] {
             cancel_scope scope;
             EXPECT_TRUE(scope.run([] {}));
         });
         check([] {
             cancel_scope scope;
             scope.cancel();
             EXPECT_EQ(scope.run([] { return 5; }), 5);
         });
     })}},
    {"fibers/cancel_scope.hpp", "cancel_scope_to_string", "never", {never([](call_check& check) {
         cancel_scope scope{{.relative_deadline = 2s}};
         check([&] { EXPECT_EQ(scope.to_string(), "unentered, deadline 2.000000 s after entry"); });
         scope.run([&] { check([&] { EXPECT_EQ(scope.to_string(), "active, deadline in 2.000000 s"); }); });
         scope.cancel();
         check([&] { EXPECT_EQ(scope.to_string(), "exited, cancelled"); });
     })}},
    {"fibers/cancel_scope.hpp", "cancel_scope_cancel", "never", {never([](call_check& check) {
         with_scope_in_use([&](cancel_scope& scope) {
             check([&] { scope.cancel("enough"); });
             check([&] { scope.cancel("more than enough"); });
         });
         cancel_scope own;
         own.run([&] { check([&] { own.cancel(); }); });
     })}},
    {"fibers/cancel_scope.hpp", "cancel_scope_cancel_called", "never", {never([](call_check& check) {
         cancel_scope scope{{.relative_deadline = 1s}};
         scope.run([&] {
             check([&] { EXPECT_FALSE(scope.cancel_called()); });
             test_clock().jump(2s);
             check([&] { EXPECT_TRUE(scope.cancel_called()); });
         });
     })}},
    {"fibers/cancel_scope.hpp", "cancel_scope_cancelled_caught", "never", {never([](call_check& check) {
         const cancel_scope scope;
         check([&] { EXPECT_FALSE(scope.cancelled_caught()); });
     })}},
    {"fibers/cancel_scope.hpp", "cancel_scope_deadline_read", "never", {never([](call_check& check) {
         const cancel_scope scope{{.deadline = time_point(5s)}};
         check([&] { EXPECT_EQ(scope.deadline(), time_point(5s)); });
     })}},
    {"fibers/cancel_scope.hpp", "cancel_scope_deadline_moved", "never", {never([](call_check& check) {
         with_scope_in_use([&](cancel_scope& scope) {
             check([&] { scope.deadline(now() + 1h); });
             check([&] { scope.deadline(time_point::max()); });
             check([&] { scope.deadline(now() - 1h); });
         });
     })}},
    {"fibers/cancel_scope.hpp", "cancel_scope_relative_deadline_read", "never", {never([](call_check& check) {
         const cancel_scope scope{{.relative_deadline = 1s}};
         check([&] { EXPECT_EQ(scope.relative_deadline(), 1s); });
     })}},
    {"fibers/cancel_scope.hpp", "cancel_scope_relative_deadline_set", "never", {never([](call_check& check) {
         cancel_scope scope;
         check([&] { scope.relative_deadline(1s); });
     })}},
    {"fibers/cancel_scope.hpp", "cancel_scope_shield", "never", {never([](call_check& check) {
         cancel_scope outer;
         cancel_scope inner;
         open_nursery([&](nursery& n) {
             n.start_soon([&] { outer.run([&] { inner.run([] { sleep_forever(); }); }); });
             wait_all_tasks_blocked();
             check([&] { inner.shield(true); });
             outer.cancel();
             check([&] { inner.shield(false); });
         });
     })}},
};

}  // namespace
}  // namespace tombolo::testing
