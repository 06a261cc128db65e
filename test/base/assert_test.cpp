#include <tombolo/base/assert.hpp>

#include <gtest/gtest.h>

#include <csignal>

namespace {

TEST(assert_macro, passes_over_a_true_condition_and_evaluates_it_once) {
    int evaluations = 0;
    TOMBOLO_ASSERT(++evaluations == 1, "the condition is evaluated");
    EXPECT_EQ(evaluations, 1);
}

TEST(assert_macro, is_one_statement) {
    bool otherwise = false;
    if (true)
        TOMBOLO_ASSERT(true, "an if without braces can hold an assertion");
    else
        otherwise = true;
    EXPECT_FALSE(otherwise);
}

TEST(assert_macro_death_test, aborts_naming_place_condition_and_sentence) {
    const int waiters = 3;
    EXPECT_EXIT(
        TOMBOLO_ASSERT(waiters == 0, "nobody waits when an event is destroyed"), testing::KilledBySignal(SIGABRT),
        "assert_test\\.cpp:[0-9]+: tombolo: nobody waits when an event is destroyed \\(assertion `waiters == 0` "
        "failed");
}

}  // namespace
