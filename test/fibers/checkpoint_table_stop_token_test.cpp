#include "test/fibers/checkpoint_claims.hpp"

#include <tombolo/fibers/cancel_scope.hpp>
#include <tombolo/fibers/cancel_watch.hpp>
#include <tombolo/fibers/stop_token.hpp>
#include <tombolo/fibers/timeouts.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <stop_token>

// The rows of stop tokens and of what stands below them.

namespace tombolo::testing {
namespace {

using namespace std::chrono_literals;

const checkpoint_rows stop_tokens{
    {"fibers/stop_token.hpp", "cancel_on_stop", "never", {never([](call_check& check) {
         std::stop_source source;
         cancel_scope scope;
         check([&] {
             const cancel_on_stop link(scope, source.get_token());
             source.request_stop();
         });
         EXPECT_TRUE(scope.cancel_called());
     })}},
    {"fibers/stop_token.hpp",
     "run_with_stop_token",
     "never by itself; the body decides",
     {never([](call_check& check) {
          std::stop_source source;
          check([&] { EXPECT_TRUE(run_with_stop_token(source.get_token(), [] {})); });
          source.request_stop();
          check([&] { EXPECT_TRUE(run_with_stop_token(source.get_token(), [] {})); });
      }),
      {"with_a_body_that_blocks", promise::always,
       [](call_check& check) {
           std::stop_source source;
           check([&] { EXPECT_TRUE(run_with_stop_token(source.get_token(), [] { sleep_for(1s); })); });
       }}}},
    {"fibers/stop_token.hpp", "scope_stop_source", "never", {never([](call_check& check) {
         cancel_scope scope;
         check([&] {
             const scope_stop_source stop(scope);
             scope.cancel();
             EXPECT_TRUE(stop.stop_requested());
         });
     })}},
    {"fibers/cancel_watch.hpp", "cancel_watch", "never", {never([](call_check& check) {
         cancel_scope scope;
         scope.cancel();
         bool called = false;
         check([&] { const lowlevel::cancel_watch watch(scope, [&] { called = true; }); });
         EXPECT_TRUE(called);
     })}},
};

}  // namespace
}  // namespace tombolo::testing
