#include "test/fibers/sample_errors.hpp"

#include <tombolo/fibers/exception_group.hpp>

#include <gtest/gtest.h>

#include <cstddef>
#include <exception>
#include <stdexcept>
#include <string>

namespace {

namespace tb = tombolo;
using tb::testing::is_caught_as;
using tb::testing::make_cancelled;
using tb::testing::make_error;
using tb::testing::make_group;

struct left {
    virtual ~left() = default;
    int padding = 1;
};
struct right {
    virtual ~right() = default;
};
struct both : left, right {};
struct hidden : private right {};
struct twice_left_one : left {};
struct twice_left_two : left {};
struct ambiguous : twice_left_one, twice_left_two {};
enum class colour { red };

// Both ways to look into an exception_ptr must answer as a catch clause does.
template <class T, class Thrown>
void expect_holds(const Thrown& thrown, bool expected) {
    const std::exception_ptr error = std::make_exception_ptr(thrown);
    EXPECT_EQ(is_caught_as<const T>(error), expected);
    EXPECT_EQ(tb::holds<T>(error), expected);
    EXPECT_EQ(tb::kernel::holds_by_rethrow<T>(error), expected);
}

TEST(holds, answers_as_a_catch_clause_does_for_classes) {
    expect_holds<std::runtime_error>(std::runtime_error("x"), true);
    expect_holds<std::exception>(std::runtime_error("x"), true);
    expect_holds<std::logic_error>(std::runtime_error("x"), false);
    expect_holds<std::overflow_error>(std::runtime_error("x"), false);
    expect_holds<std::exception>(tb::not_in_run("x"), true);
    expect_holds<std::exception>(tb::keyboard_interrupt(), false);
}

TEST(holds, answers_as_a_catch_clause_does_for_awkward_bases) {
    expect_holds<left>(both(), true);
    expect_holds<right>(both(), true);
    expect_holds<right>(hidden(), false);
    expect_holds<left>(ambiguous(), false);
    expect_holds<twice_left_two>(ambiguous(), true);
}

TEST(holds, answers_as_a_catch_clause_does_for_other_types) {
    const int number = 3;
    expect_holds<int>(42, true);
    expect_holds<long>(42, false);
    expect_holds<int>(42U, false);
    expect_holds<colour>(colour::red, true);
    expect_holds<std::exception>(42, false);
    expect_holds<const char*>("text", true);
    expect_holds<const int*>(&number, true);
    expect_holds<const void*>(&number, true);
    expect_holds<int*>(&number, false);
    expect_holds<const left*>(static_cast<const both*>(nullptr), true);
    expect_holds<std::nullptr_t>(nullptr, true);
    expect_holds<std::string>(std::string("text"), true);
}

TEST(holds, finds_nothing_in_a_null_pointer) {
    EXPECT_FALSE(tb::holds<std::exception>(nullptr));
    EXPECT_FALSE(tb::kernel::holds_by_rethrow<std::exception>(nullptr));
    EXPECT_FALSE(tb::is_cancelled(nullptr));
}

TEST(is_cancelled, tells_cancelled_from_everything_else) {
    EXPECT_TRUE(tb::is_cancelled(make_cancelled()));
    EXPECT_TRUE(tb::holds<tb::cancelled>(make_cancelled()));
    EXPECT_FALSE(tb::is_cancelled(make_error("x")));
    EXPECT_FALSE(tb::is_cancelled(std::make_exception_ptr(tb::keyboard_interrupt())));
    EXPECT_FALSE(tb::is_cancelled(std::make_exception_ptr(42)));
    EXPECT_FALSE(tb::is_cancelled(make_group("g", {make_cancelled()})));
}

}  // namespace
