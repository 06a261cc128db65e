#pragma once

#include <tombolo/testing/test_run.hpp>

#include <gtest/gtest.h>

/// Defines a GoogleTest test whose body is the main task of a run: virtual time that jumps to the next deadline when every
/// task waits, a random but printed task order, an error instead of a hang when nothing can happen any more, and a check
/// that nothing is left behind. Name it with a sentence: TOMBOLO_TEST(nursery, child_error_cancels_its_siblings).
///
/// To repeat a failure, run with the environment variable TOMBOLO_TEST_SEED set to the printed seed.
#define TOMBOLO_TEST(suite, name)                                                                                \
    static void tombolo_test_body_##suite##_##name();                                                            \
    TEST(suite, name) {                                                                                          \
        const ::tombolo::testing::test_report report =                                                           \
            ::tombolo::testing::run_test_body(tombolo_test_body_##suite##_##name);                               \
        if (!report.failure.empty()) ADD_FAILURE() << report.failure;                                            \
        if (HasFailure()) ::std::cout << "to repeat this run: TOMBOLO_TEST_SEED=" << report.seed << ::std::endl; \
    }                                                                                                            \
    static void tombolo_test_body_##suite##_##name()
