#pragma once

#include <tombolo/testing/mock_clock.hpp>

#include <cstdint>
#include <functional>
#include <string>

namespace tombolo::testing {

/// What became of a test body.
struct test_report {
    std::uint64_t seed = 0;
    /// Empty when the body returned and nothing was left behind; else sentences for the reader.
    std::string failure;
};

/// Runs `body` as the main task of a run on an autojumping mock clock, with a seeded task order and deadlock detection, and
/// checks that it left nothing behind: no task, no stack, no descriptor. The seed comes from the environment variable
/// TOMBOLO_TEST_SEED if that is set, and is different every time otherwise.
/// Checkpoint: never (it is a whole run). Throws: nothing of the body's; that is in the report.
test_report run_test_body(const std::function<void()>& body);

/// The clock under the test that runs now.
/// Throws: usage_error outside run_test_body.
mock_clock& test_clock();

}  // namespace tombolo::testing
