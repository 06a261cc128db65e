#include <tombolo/testing/checkpoints.hpp>

#include <tombolo/fibers/checkpoint.hpp>
#include <tombolo/fibers/timeouts.hpp>
#include <tombolo/testing/test.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

namespace tombolo::testing {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::HasSubstr;

template <class Error, class F>
std::string text_of(F&& f) {
    try {
        std::forward<F>(f)();
    } catch (const Error& error) {
        return error.what();
    }
    ADD_FAILURE() << "nothing was thrown";
    return {};
}

TOMBOLO_TEST(assert_checkpoints, lets_pass_what_checkpoints_whether_it_waits_or_not) {
    assert_checkpoints([] { checkpoint(); });
    assert_checkpoints([] { sleep_for(1h); });
    assert_checkpoints([] {
        lowlevel::checkpoint_if_cancelled();
        lowlevel::cancel_shielded_checkpoint();
    });
}

TOMBOLO_TEST(assert_checkpoints, reports_what_never_checks_for_cancellation) {
    EXPECT_THAT(
        text_of<checkpoint_missing>([] { assert_checkpoints([] { lowlevel::cancel_shielded_checkpoint(); }); }),
        AllOf(HasSubstr("assert_checkpoints"), HasSubstr("cancellation")));
}

TOMBOLO_TEST(assert_checkpoints, reports_what_never_lets_others_run) {
    EXPECT_THAT(
        text_of<checkpoint_missing>([] { assert_checkpoints([] { lowlevel::checkpoint_if_cancelled(); }); }),
        AllOf(HasSubstr("assert_checkpoints"), HasSubstr("other tasks run")));
}

TOMBOLO_TEST(assert_checkpoints, reports_what_does_neither) {
    text_of<checkpoint_missing>([] { assert_checkpoints([] {}); });
}

TOMBOLO_TEST(assert_checkpoints, lets_an_exception_pass_with_or_without_a_checkpoint) {
    EXPECT_THROW(assert_checkpoints([] { throw std::runtime_error("early"); }), std::runtime_error);
    EXPECT_THROW(
        assert_checkpoints([] {
            checkpoint();
            throw std::runtime_error("late");
        }),
        std::runtime_error);
}

TOMBOLO_TEST(assert_checkpoints, returns_what_the_code_returns) {
    int number = 3;
    const auto referred = [&]() -> int& {
        checkpoint();
        return number;
    };
    EXPECT_EQ(&assert_checkpoints(referred), &number);
    const auto owned = [] {
        checkpoint();
        return std::make_unique<int>(4);
    };
    EXPECT_EQ(*assert_checkpoints(owned), 4);
}

TOMBOLO_TEST(assert_no_checkpoints, lets_pass_what_does_not_checkpoint_and_returns_its_value) {
    assert_no_checkpoints([] {});
    EXPECT_EQ(assert_no_checkpoints([] { return now(); }), now());
}

TOMBOLO_TEST(assert_no_checkpoints, reports_each_half_of_a_checkpoint) {
    EXPECT_THAT(
        text_of<checkpoint_unexpected>([] { assert_no_checkpoints([] { lowlevel::checkpoint_if_cancelled(); }); }),
        AllOf(HasSubstr("assert_no_checkpoints"), HasSubstr("cancellation"), HasSubstr("1")));
    EXPECT_THAT(
        text_of<checkpoint_unexpected>([] { assert_no_checkpoints([] { lowlevel::cancel_shielded_checkpoint(); }); }),
        AllOf(HasSubstr("assert_no_checkpoints"), HasSubstr("other tasks run"), HasSubstr("1")));
    text_of<checkpoint_unexpected>([] { assert_no_checkpoints([] { checkpoint(); }); });
    text_of<checkpoint_unexpected>([] { assert_no_checkpoints([] { sleep_for(1h); }); });
}

TOMBOLO_TEST(assert_no_checkpoints, lets_an_exception_pass) {
    EXPECT_THROW(assert_no_checkpoints([] { throw std::runtime_error("own"); }), std::runtime_error);
}

TEST(assert_checkpoints, and_its_opposite_need_a_task_and_do_not_call_the_code_without_one) {
    const auto code = [] { ADD_FAILURE() << "there is no task"; };
    text_of<not_in_run>([&] { assert_checkpoints(code); });
    text_of<not_in_run>([&] { assert_no_checkpoints(code); });
}

}  // namespace
}  // namespace tombolo::testing
