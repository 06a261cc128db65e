#include "test/fibers/checkpoint_claims.hpp"

#include <tombolo/fibers/counters.hpp>
#include <tombolo/fibers/trace.hpp>

#include <gtest/gtest.h>

#include <sstream>

// The rows of trace_recorder and run_counters.

namespace tombolo::testing {
namespace {

const checkpoint_rows traces{
    {"fibers/trace.hpp", "trace_recorder_write", "never", {never([](call_check& check) {
         trace_recorder recorder;
         lowlevel::add_instrument(&recorder);
         std::ostringstream out;
         check([&] { recorder.write(out); });
         lowlevel::remove_instrument(recorder);
         EXPECT_FALSE(out.str().empty());
     })}},
    {"fibers/trace.hpp", "trace_recorder_write_file", "never", {never([](call_check& check) {
         const trace_recorder recorder;
         check([&] { recorder.write_file("/dev/null"); });
     })}},
};

const checkpoint_rows counters{
    {"fibers/counters.hpp", "run_counters_statistics", "never", {never([](call_check& check) {
         const run_counters counted;
         check([&] { EXPECT_EQ(counted.statistics().steps, 0U); });
     })}},
    {"fibers/counters.hpp", "run_counters_write_prometheus", "never", {never([](call_check& check) {
         const run_counters counted;
         std::ostringstream out;
         check([&] { counted.write_prometheus(out); });
     })}},
    {"fibers/counters.hpp", "write_prometheus", "never", {never([](call_check& check) {
         const run_counters counted;
         const labelled_counters runs[] = {{&counted, {{"run", "only"}}}};
         std::ostringstream out;
         check([&] { write_prometheus(out, runs); });
     })}},
};

}  // namespace
}  // namespace tombolo::testing
