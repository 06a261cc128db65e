#include "test/fibers/checkpoint_claims.hpp"

#include <tombolo/fibers/watchdog.hpp>

namespace tombolo::testing {
namespace {

const checkpoint_rows rows{
    {"fibers/watchdog.hpp", "watchdog_stop", "never", {never([](call_check& check) {
         watchdog dog;
         check([&] { dog.stop(); });
     })}},
    {"fibers/watchdog.hpp", "watchdog_look", "never", {never([](call_check& check) {
         watchdog dog;
         check([&] { dog.look(); });
     })}},
};

}  // namespace
}  // namespace tombolo::testing
