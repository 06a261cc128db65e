#include <tombolo/fibers/exception_group.hpp>

#include "test/fibers/sample_errors.hpp"

#include <gtest/gtest.h>

#include <exception>
#include <stdexcept>
#include <string>
#include <type_traits>

namespace {

namespace tb = tombolo;
using tb::testing::group_in;
using tb::testing::is_caught_as;
using tb::testing::make_cancelled;
using tb::testing::make_error;
using tb::testing::make_group;
using tb::testing::pointers;
using tb::testing::shape;

static_assert(!std::is_base_of_v<std::exception, tb::base_exception_group>);
static_assert(std::is_base_of_v<std::exception, tb::exception_group>);
static_assert(std::has_virtual_destructor_v<tb::base_exception_group>);
static_assert(std::is_nothrow_copy_constructible_v<tb::exception_group>);

TEST(make_exception_group, keeps_message_order_and_looseness) {
    const pointers errors{make_error("a"), make_error("b")};
    const std::exception_ptr strict = make_group("two errors", errors);
    EXPECT_EQ(group_in(strict).message(), "two errors");
    EXPECT_EQ(pointers(group_in(strict).exceptions().begin(), group_in(strict).exceptions().end()), errors);
    EXPECT_FALSE(group_in(strict).loose());
    const std::exception_ptr loose = make_group("two errors", errors, true);
    EXPECT_TRUE(group_in(loose).loose());
}

TEST(make_exception_group, makes_a_std_exception_when_every_leaf_is_one) {
    const std::exception_ptr group = make_group("g", {make_error("a"), make_group("inner", {make_error("b")})});
    EXPECT_TRUE(is_caught_as<const tb::exception_group>(group));
    EXPECT_TRUE(is_caught_as<const std::exception>(group));
    EXPECT_TRUE(is_caught_as<const tb::base_exception_group>(group));
}

TEST(make_exception_group, makes_a_base_exception_group_when_a_leaf_at_any_depth_is_no_std_exception) {
    for (const std::exception_ptr& odd :
         {make_cancelled(), std::make_exception_ptr(tb::keyboard_interrupt()), std::make_exception_ptr(42)}) {
        for (const std::exception_ptr& error : {odd, make_group("inner", {odd, make_error("b")})}) {
            const std::exception_ptr group = make_group("g", {make_error("a"), error});
            EXPECT_FALSE(is_caught_as<const std::exception>(group));
            EXPECT_FALSE(is_caught_as<const tb::exception_group>(group));
            EXPECT_TRUE(is_caught_as<const tb::base_exception_group>(group));
        }
    }
}

TEST(make_exception_group, refuses_an_empty_list_and_null_pointers) {
    EXPECT_THROW((void)make_group("g", {}), std::invalid_argument);
    EXPECT_THROW((void)make_group("g", {make_error("a"), nullptr}), std::invalid_argument);
}

TEST(exception_group, gives_the_same_text_through_each_of_its_bases) {
    const std::exception_ptr group = make_group("g", {make_error("a")});
    std::string through_std;
    std::string through_base;
    try {
        std::rethrow_exception(group);
    } catch (const std::exception& error) {
        through_std = error.what();
    }
    try {
        std::rethrow_exception(group);
    } catch (const tb::base_exception_group& error) {
        through_base = error.what();
    }
    EXPECT_EQ(through_std, "g (1 exception)\n  std::runtime_error: a");
    EXPECT_EQ(through_base, through_std);
}

TEST(base_exception_group, outlives_its_exception_pointer_in_a_copy) {
    std::exception_ptr error = make_group("g", {make_error("a"), make_cancelled()});
    const tb::base_exception_group copy = group_in(error);
    error = nullptr;
    EXPECT_EQ(copy.exceptions().size(), 2U);
    EXPECT_EQ(copy.message(), "g");
    EXPECT_NE(std::string(copy.what()).find("std::runtime_error: a"), std::string::npos);
}

TEST(base_exception_group, derives_a_group_with_its_message_and_looseness) {
    const std::exception_ptr group = make_group("g", {make_cancelled(), make_error("a")}, true);
    const std::exception_ptr derived = group_in(group).derive({make_error("b")});
    EXPECT_EQ(shape(derived), "g*[b]");
    EXPECT_TRUE(is_caught_as<const std::exception>(derived));
    EXPECT_THROW((void)group_in(group).derive({}), std::invalid_argument);
}

TEST(base_exception_group, lists_the_leaves_of_all_depths_in_order) {
    const pointers errors{make_error("a"), make_error("b"), make_cancelled(), make_error("d")};
    const std::exception_ptr group =
        make_group("g", {errors[0], make_group("h", {make_group("i", {errors[1]}), errors[2]}), errors[3]});
    EXPECT_EQ(group_in(group).leaves(), errors);
}

TEST(base_exception_group, knows_what_it_contains) {
    const std::exception_ptr group =
        make_group("g", {make_error("a"), make_group("h", {make_error<std::out_of_range>("b"), make_cancelled()})});
    EXPECT_TRUE(group_in(group).contains<std::out_of_range>());
    EXPECT_TRUE(group_in(group).contains<std::logic_error>());
    EXPECT_TRUE(group_in(group).contains<tb::cancelled>());
    EXPECT_TRUE(group_in(group).contains<tb::base_exception_group>());
    EXPECT_FALSE(group_in(group).contains<tb::exception_group>());
    EXPECT_FALSE(group_in(group).contains<std::overflow_error>());
}

TEST(split, divides_the_leaves_and_keeps_the_structure_on_both_sides) {
    const std::exception_ptr group = make_group(
        "g",
        {make_error("a"), make_group("h", {make_error<std::domain_error>("b"), make_error("c")}, true),
         make_group("i", {make_error<std::domain_error>("d")}), make_group("j", {make_error("e")})});
    auto [match, rest] = group_in(group).split<std::logic_error>();
    EXPECT_EQ(shape(match), "g[h*[b], i[d]]");
    EXPECT_EQ(shape(rest), "g[a, h*[c], j[e]]");
}

TEST(split, reuses_nested_groups_that_stay_whole) {
    const std::exception_ptr inner = make_group("h", {make_error("b")});
    const std::exception_ptr group = make_group("g", {make_error<std::domain_error>("a"), inner});
    const auto [match, rest] = group_in(group).split<std::logic_error>();
    EXPECT_EQ(group_in(rest).exceptions().front(), inner);
}

TEST(split, gives_null_for_an_empty_half) {
    const std::exception_ptr group = make_group("g", {make_error("a"), make_group("h", {make_error("b")})});
    const tb::split_result none = group_in(group).split<std::logic_error>();
    EXPECT_EQ(none.match, nullptr);
    EXPECT_EQ(shape(none.rest), "g[a, h[b]]");
    const tb::split_result all = group_in(group).split<std::runtime_error>();
    EXPECT_EQ(shape(all.match), "g[a, h[b]]");
    EXPECT_EQ(all.rest, nullptr);
}

TEST(split, picks_the_type_of_each_half_by_its_own_leaves) {
    const std::exception_ptr group = make_group("g", {make_error("a"), make_cancelled()});
    EXPECT_FALSE(is_caught_as<const std::exception>(group));
    const auto [match, rest] = group_in(group).split<tb::cancelled>();
    EXPECT_FALSE(is_caught_as<const std::exception>(match));
    EXPECT_TRUE(is_caught_as<const tb::exception_group>(rest));
}

TEST(split, takes_a_group_that_matches_as_a_whole) {
    const std::exception_ptr inner = make_group("h", {make_error("b"), make_error<std::domain_error>("c")});
    const std::exception_ptr group = make_group("g", {inner, make_cancelled()});
    const auto [match, rest] = group_in(group).split<tb::exception_group>();
    EXPECT_EQ(shape(match), "g[h[b, c]]");
    EXPECT_EQ(group_in(match).exceptions().front(), inner);
    EXPECT_EQ(shape(rest), "g[cancelled]");
    const auto [everything, nothing] = group_in(group).split<tb::base_exception_group>();
    EXPECT_EQ(shape(everything), shape(group));
    EXPECT_EQ(nothing, nullptr);
}

TEST(split, accepts_a_predicate_and_lets_its_exceptions_through) {
    const std::exception_ptr a = make_error("a");
    const std::exception_ptr group = make_group("g", {a, make_error("b")});
    const auto [match, rest] = group_in(group).split([&](const std::exception_ptr& error) { return error == a; });
    EXPECT_EQ(shape(match), "g[a]");
    EXPECT_EQ(shape(rest), "g[b]");
    const auto throws = [](const std::exception_ptr&) -> bool { throw std::domain_error("predicate"); };
    EXPECT_THROW((void)group_in(group).split(throws), std::domain_error);
}

TEST(split, leaves_loose_groups_of_one_alone) {
    const std::exception_ptr group = make_group("g", {make_error("a"), make_error<std::domain_error>("b")}, true);
    const auto [match, rest] = group_in(group).split<std::logic_error>();
    EXPECT_EQ(shape(match), "g*[b]");
    EXPECT_EQ(shape(rest), "g*[a]");
}

}  // namespace
