#include "test/fibers/sample_errors.hpp"

#include <tombolo/fibers/exception_group.hpp>

#include <gtest/gtest.h>

#include <exception>
#include <stdexcept>
#include <string>

namespace {

namespace tb = tombolo;
using tb::testing::group_in;
using tb::testing::make_cancelled;
using tb::testing::make_error;
using tb::testing::make_group;

TEST(describe, names_the_type_and_the_text_of_std_exceptions) {
    EXPECT_EQ(tb::describe(make_error("boom")), "std::runtime_error: boom");
    EXPECT_EQ(tb::describe(std::make_exception_ptr(tb::too_slow("1 s"))), "tombolo::too_slow: 1 s");
    EXPECT_EQ(tb::describe(make_error("")), "std::runtime_error");
}

TEST(describe, names_what_is_no_std_exception) {
    EXPECT_EQ(
        tb::describe(make_cancelled("stop")), "tombolo::cancelled: cancelled: explicit call: stop (by task \"main\")");
    EXPECT_EQ(
        tb::describe(std::make_exception_ptr(tb::keyboard_interrupt())),
        "tombolo::keyboard_interrupt: keyboard interrupt");
    EXPECT_EQ(tb::describe(std::make_exception_ptr(42)), "an exception of type int");
    EXPECT_EQ(tb::describe(nullptr), "no exception");
}

TEST(describe, follows_causes_and_contexts) {
    const std::exception_ptr inner = std::make_exception_ptr(tb::internal_error("inner", make_error("boom")));
    EXPECT_EQ(
        tb::describe(std::make_exception_ptr(tb::internal_error("outer", inner))),
        "tombolo::internal_error: outer\ncaused by: tombolo::internal_error: inner\ncaused by: std::runtime_error: "
        "boom");
    EXPECT_EQ(
        tb::describe(std::make_exception_ptr(tb::keyboard_interrupt(make_error("boom")))),
        "tombolo::keyboard_interrupt: keyboard interrupt\nin place of: std::runtime_error: boom");
    EXPECT_EQ(
        tb::describe(std::make_exception_ptr(tb::internal_error("alone", nullptr))), "tombolo::internal_error: alone");
}

TEST(what, draws_a_tree_with_one_line_a_leaf) {
    const std::exception_ptr group = make_group(
        "errors in a nursery",
        {make_error("boom"),
         make_group("inner", {make_error<std::domain_error>("line 1\nline 2"), make_cancelled("x")}),
         std::make_exception_ptr(42)});
    EXPECT_EQ(
        std::string(group_in(group).what()),
        "errors in a nursery (3 exceptions)\n"
        "  std::runtime_error: boom\n"
        "  tombolo::base_exception_group: inner (2 exceptions)\n"
        "    std::domain_error: line 1\n"
        "      line 2\n"
        "    tombolo::cancelled: cancelled: explicit call: x (by task \"main\")\n"
        "  an exception of type int");
    EXPECT_EQ(tb::describe(group), "tombolo::base_exception_group: " + std::string(group_in(group).what()));
}

TEST(what, is_made_once_and_shared_by_copies) {
    const std::exception_ptr error = make_group("g", {make_error("a")});
    const tb::base_exception_group copy = group_in(error);
    const char* const text = group_in(error).what();
    EXPECT_EQ(copy.what(), text);
    EXPECT_EQ(group_in(error).what(), text);
}

TEST(what, survives_a_leaf_without_a_text) {
    struct ill_mannered : std::exception {
        const char* what() const noexcept override { return nullptr; }
    };
    const std::exception_ptr group = make_group("g", {std::make_exception_ptr(ill_mannered())});
    EXPECT_NE(std::string(group_in(group).what()).find("ill_mannered"), std::string::npos);
}

}  // namespace
