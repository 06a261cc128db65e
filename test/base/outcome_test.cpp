#include <tombolo/base/outcome.hpp>

#include <gtest/gtest.h>

#include <exception>
#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace {

using tombolo::outcome;

std::exception_ptr boom() { return std::make_exception_ptr(std::runtime_error("boom")); }

struct move_only {
    explicit move_only(int value) : number(std::make_unique<int>(value)) {}
    std::unique_ptr<int> number;
};

struct throws_when_moved {
    explicit throws_when_moved(const bool& is_armed) : armed(&is_armed) {}
    throws_when_moved(throws_when_moved&& other) : armed(other.armed) {
        if (*armed) {
            throw std::logic_error("moved");
        }
    }
    throws_when_moved& operator=(throws_when_moved&&) = default;
    const bool* armed;
};

// Counts its living objects, so that a value destroyed twice or never shows.
struct counted {
    explicit counted(int& counter) : alive(&counter) { ++counter; }
    counted(const counted& other) : alive(other.alive) { ++*alive; }
    counted& operator=(const counted&) = default;
    ~counted() { --*alive; }
    int* alive;
};

static_assert(std::is_convertible_v<int, outcome<int>> && std::is_convertible_v<std::exception_ptr, outcome<int>>);
static_assert(std::is_convertible_v<const char*, outcome<std::string>>);
static_assert(!std::is_convertible_v<std::string, outcome<int>>);
static_assert(!std::is_default_constructible_v<outcome<int>> && std::is_default_constructible_v<outcome<>>);
static_assert(std::is_nothrow_move_constructible_v<outcome<std::string>>);
static_assert(std::is_nothrow_move_assignable_v<outcome<std::string>>);
static_assert(std::is_nothrow_move_constructible_v<outcome<>> && std::is_nothrow_move_assignable_v<outcome<>>);
static_assert(!std::is_nothrow_move_constructible_v<outcome<throws_when_moved>>);
static_assert(std::is_copy_constructible_v<outcome<int>> && std::is_copy_assignable_v<outcome<int>>);
static_assert(!std::is_copy_constructible_v<outcome<move_only>> && !std::is_copy_assignable_v<outcome<move_only>>);
static_assert(std::is_move_constructible_v<outcome<move_only>> && std::is_move_assignable_v<outcome<move_only>>);

TEST(outcome, gives_back_the_value_it_was_made_from) {
    const outcome<std::string> result = "text";
    EXPECT_TRUE(result.has_value());
    EXPECT_EQ(result.error(), nullptr);
    EXPECT_EQ(result.value(), "text");
    EXPECT_EQ(outcome<int>{42}.value(), 42);
}

TEST(outcome, throws_the_very_error_it_was_made_from) {
    const std::exception_ptr error = boom();
    const outcome<int> result = error;
    EXPECT_FALSE(result.has_value());
    EXPECT_EQ(result.error(), error);
    EXPECT_THROW((void)result.value(), std::runtime_error);
    EXPECT_THROW((void)outcome<int>(error).value(), std::runtime_error);
    EXPECT_EQ(outcome<int>(error).error(), error);
}

TEST(outcome, refuses_a_null_error) {
    EXPECT_THROW((void)outcome<int>{std::exception_ptr()}, std::invalid_argument);
    EXPECT_THROW((void)outcome<>{std::exception_ptr()}, std::invalid_argument);
}

TEST(outcome, takes_a_null_pointer_for_a_value_where_values_are_pointers) {
    const outcome<int*> result = nullptr;
    EXPECT_TRUE(result.has_value());
    EXPECT_EQ(result.value(), nullptr);
}

TEST(outcome, carries_move_only_values) {
    outcome<move_only> first = move_only(7);
    outcome<move_only> second = std::move(first);
    first = std::move(second);
    const move_only value = std::move(first).value();
    EXPECT_EQ(*value.number, 7);
}

TEST(outcome, still_is_an_error_after_its_error_was_moved_on) {
    outcome<int> first = boom();
    const outcome<int> second = std::move(first);
    EXPECT_FALSE(first.has_value());
    EXPECT_FALSE(second.has_value());
}

TEST(outcome, can_be_assigned_whatever_both_sides_hold) {
    int alive = 0;
    {
        const outcome<counted> value = counted(alive);
        const outcome<counted> error = boom();
        outcome<counted> target = value;
        EXPECT_EQ(alive, 2);
        target = value;
        EXPECT_EQ(alive, 2);
        EXPECT_TRUE(target.has_value());
        target = error;
        EXPECT_EQ(alive, 1);
        EXPECT_FALSE(target.has_value());
        target = error;
        EXPECT_FALSE(target.has_value());
        target = value;
        EXPECT_EQ(alive, 2);
        EXPECT_TRUE(target.has_value());
        outcome<counted>& alias = target;
        target = std::move(alias);
        EXPECT_EQ(alive, 2);
    }
    EXPECT_EQ(alive, 0);
}

TEST(outcome, stays_an_error_when_the_assigned_value_throws) {
    bool armed = false;
    outcome<throws_when_moved> value = throws_when_moved{armed};
    outcome<throws_when_moved> target = boom();
    armed = true;
    EXPECT_THROW(target = std::move(value), std::logic_error);
    EXPECT_FALSE(target.has_value());
    EXPECT_THROW((void)std::move(target).value(), std::runtime_error);
}

TEST(outcome, captures_what_a_call_returns_or_throws) {
    auto halve = [](int number) {
        if (number % 2 != 0) {
            throw std::domain_error("odd");
        }
        return number / 2;
    };
    EXPECT_EQ(outcome<int>::capture(halve, 8).value(), 4);
    EXPECT_THROW((void)outcome<int>::capture(halve, 7).value(), std::domain_error);
    EXPECT_EQ(*outcome<move_only>::capture([] { return move_only(3); }).value().number, 3);
    EXPECT_EQ(outcome<std::size_t>::capture(&std::string::size, std::string("abc")).value(), 3U);
}

TEST(outcome, captures_exceptions_of_any_type) {
    const outcome<> result = outcome<>::capture([] { throw 42; });
    try {
        result.value();
        ADD_FAILURE() << "nothing was thrown";
    } catch (int number) {
        EXPECT_EQ(number, 42);
    }
}

TEST(outcome_of_void, is_success_by_default) {
    const outcome<> result;
    EXPECT_TRUE(result.has_value());
    EXPECT_EQ(result.error(), nullptr);
    EXPECT_NO_THROW(result.value());
}

TEST(outcome_of_void, throws_its_error_every_time_it_is_asked) {
    const outcome<> result = boom();
    EXPECT_THROW(result.value(), std::runtime_error);
    EXPECT_THROW(result.value(), std::runtime_error);
    const outcome<> copy = result;
    EXPECT_EQ(copy.error(), result.error());
}

TEST(outcome_of_void, captures_a_call_and_drops_what_it_returns) {
    int calls = 0;
    const outcome<> result = outcome<>::capture([&] { return ++calls; });
    EXPECT_TRUE(result.has_value());
    EXPECT_EQ(calls, 1);
}

}  // namespace
