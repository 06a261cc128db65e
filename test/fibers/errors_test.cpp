#include <tombolo/fibers/errors.hpp>

#include "test/fibers/make_cancelled.hpp"

#include <gtest/gtest.h>

#include <exception>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <type_traits>
#include <vector>

namespace {

namespace tb = tombolo;
using tb::testing::make_cancelled;

// The cancelled inside; it lives as long as the pointer given.
const tb::cancelled& cancelled_in(const std::exception_ptr& error) {
    try {
        std::rethrow_exception(error);
    } catch (const tb::cancelled& cancel) {
        return cancel;
    }
}

static_assert(!std::is_base_of_v<std::exception, tb::cancelled> && std::is_final_v<tb::cancelled>);
static_assert(!std::is_default_constructible_v<tb::cancelled>);
static_assert(!std::is_constructible_v<tb::cancelled, std::shared_ptr<const tb::cancel_reason>>);
static_assert(!std::is_constructible_v<tb::cancelled, std::string>);
static_assert(
    std::is_nothrow_copy_constructible_v<tb::cancelled> && std::is_nothrow_move_constructible_v<tb::cancelled>);
static_assert(!std::is_base_of_v<std::exception, tb::keyboard_interrupt>);

TEST(cancelled, tells_who_cancelled_and_why) {
    const std::exception_ptr error_thrown =
        make_cancelled(tb::cancel_reason{tb::cancel_source::nursery, "a child failed", "worker"});
    const tb::cancelled& error = cancelled_in(error_thrown);
    EXPECT_EQ(error.source(), tb::cancel_source::nursery);
    EXPECT_EQ(error.reason(), "a child failed");
    EXPECT_EQ(error.source_task(), "worker");
}

TEST(cancelled, puts_source_reason_and_task_in_its_text) {
    const std::exception_ptr all_thrown =
        make_cancelled(tb::cancel_reason{tb::cancel_source::nursery, "child \"worker\" failed: boom", "worker"});
    const tb::cancelled& all = cancelled_in(all_thrown);
    EXPECT_STREQ(all.what(), "cancelled: nursery: child \"worker\" failed: boom (by task \"worker\")");
    const std::exception_ptr no_reason_thrown =
        make_cancelled(tb::cancel_reason{tb::cancel_source::explicit_call, "", "main"});
    const tb::cancelled& no_reason = cancelled_in(no_reason_thrown);
    EXPECT_STREQ(no_reason.what(), "cancelled: explicit call (by task \"main\")");
    const std::exception_ptr no_task_thrown = make_cancelled(tb::cancel_reason{tb::cancel_source::deadline, "", ""});
    const tb::cancelled& no_task = cancelled_in(no_task_thrown);
    EXPECT_STREQ(no_task.what(), "cancelled: deadline");
}

TEST(cancelled, keeps_its_text_as_long_as_it_lives) {
    const std::exception_ptr error_thrown =
        make_cancelled(tb::cancel_reason{tb::cancel_source::shutdown, "main ended", ""});
    const tb::cancelled& error = cancelled_in(error_thrown);
    const char* const text = error.what();
    {
        const tb::cancelled copy = error;
        EXPECT_STREQ(copy.what(), text);
        EXPECT_NE(copy.what(), text);
    }
    EXPECT_EQ(error.what(), text);
    EXPECT_STREQ(text, "cancelled: shutdown: main ended");
}

TEST(cancelled, can_be_asked_for_its_text_by_several_threads) {
    const std::exception_ptr error_thrown =
        make_cancelled(tb::cancel_reason{tb::cancel_source::explicit_call, "stop", "main"});
    const tb::cancelled& error = cancelled_in(error_thrown);
    std::vector<const char*> texts(4);
    std::vector<std::thread> threads;
    for (const char*& text : texts) {
        threads.emplace_back([&] { text = error.what(); });
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
    EXPECT_EQ(texts, std::vector<const char*>(4, error.what()));
}

TEST(cancelled, passes_a_handler_for_std_exceptions) {
    bool passed = false;
    try {
        try {
            std::rethrow_exception(make_cancelled("stop"));
        } catch (const std::exception&) {
            ADD_FAILURE() << "cancelled was taken for a std::exception";
        }
    } catch (const tb::cancelled& error) {
        passed = true;
        EXPECT_EQ(error.reason(), "stop");
    }
    EXPECT_TRUE(passed);
}

TEST(cancel_source, has_a_name_for_every_value) {
    EXPECT_EQ(tb::to_string(tb::cancel_source::deadline), "deadline");
    EXPECT_EQ(tb::to_string(tb::cancel_source::explicit_call), "explicit call");
    EXPECT_EQ(tb::to_string(tb::cancel_source::nursery), "nursery");
    EXPECT_EQ(tb::to_string(tb::cancel_source::shutdown), "shutdown");
    EXPECT_EQ(tb::to_string(tb::cancel_source::keyboard_interrupt), "keyboard interrupt");
    EXPECT_EQ(tb::to_string(tb::cancel_source::unknown), "unknown");
}

TEST(keyboard_interrupt, may_carry_the_error_that_it_displaced) {
    const tb::keyboard_interrupt bare;
    EXPECT_EQ(bare.context(), nullptr);
    EXPECT_STREQ(bare.what(), "keyboard interrupt");
    const std::exception_ptr context = std::make_exception_ptr(std::runtime_error("boom"));
    EXPECT_EQ(tb::keyboard_interrupt(context).context(), context);
}

TEST(internal_error, carries_its_cause) {
    const std::exception_ptr cause = std::make_exception_ptr(std::runtime_error("boom"));
    const tb::internal_error error("a system task failed", cause);
    EXPECT_STREQ(error.what(), "a system task failed");
    EXPECT_EQ(error.cause(), cause);
}

template <class Error>
class usage_errors : public testing::Test {};
using usage_error_types = testing::Types<
    tb::wrong_flavour, tb::not_in_task, tb::not_in_run, tb::nested_run, tb::wrong_thread, tb::checkpoint_forbidden,
    tb::nursery_closed, tb::scope_reused, tb::deadline_unset, tb::invalid_reschedule, tb::already_started,
    tb::invalid_stack_size, tb::invalid_descriptor, tb::invalid_count, tb::unset_variable, tb::variable_token_misuse,
    tb::instrument_not_found, tb::not_a_breaker>;
TYPED_TEST_SUITE(usage_errors, usage_error_types);

TYPED_TEST(usage_errors, can_be_caught_as_logic_errors_with_their_text) {
    try {
        throw TypeParam(std::string("do this instead"));
    } catch (const tb::usage_error& error) {
        const std::logic_error& base = error;
        EXPECT_STREQ(base.what(), "do this instead");
    }
}

template <class Error>
class runtime_failures : public testing::Test {};
using runtime_failure_types = testing::Types<
    tb::too_slow, tb::would_block, tb::busy_resource, tb::closed_resource, tb::broken_resource, tb::end_of_channel,
    tb::run_finished, tb::not_started, tb::body_cancelled, tb::stack_exhausted, tb::deadlock>;
TYPED_TEST_SUITE(runtime_failures, runtime_failure_types);

TYPED_TEST(runtime_failures, can_be_caught_as_runtime_errors_with_their_text) {
    try {
        throw TypeParam("what happened");
    } catch (const tb::runtime_failure& error) {
        const std::runtime_error& base = error;
        EXPECT_STREQ(base.what(), "what happened");
    }
}

static_assert(std::is_base_of_v<tb::wrong_flavour, tb::not_in_task>);
static_assert(std::is_base_of_v<tb::not_in_task, tb::not_in_run>);
static_assert(std::is_base_of_v<tb::runtime_failure, tb::internal_error>);

}  // namespace
