#include "test/fibers/sample_errors.hpp"

#include <tombolo/fibers/exception_group.hpp>

#include <gtest/gtest.h>

#include <exception>
#include <stdexcept>
#include <string>
#include <utility>

namespace {

namespace tb = tombolo;
using tb::testing::group_in;
using tb::testing::is_caught_as;
using tb::testing::make_cancelled;
using tb::testing::make_error;
using tb::testing::make_group;
using tb::testing::pointers;
using tb::testing::shape;

TEST(strip_cancelled, gives_back_the_very_pointer_when_there_is_nothing_to_remove) {
    const std::exception_ptr loose_single = make_group("g", {make_error("a")}, true);
    for (const std::exception_ptr& error :
         {make_error("a"), make_group("g", {make_error("a"), make_group("h", {make_error("b")})}), loose_single,
          std::make_exception_ptr(42), std::exception_ptr()}) {
        const tb::strip_result result = tb::strip_cancelled(error);
        EXPECT_EQ(result.rest, error);
        EXPECT_EQ(result.removed, 0U);
    }
}

TEST(strip_cancelled, leaves_nothing_of_cancelled_alone) {
    const tb::strip_result bare = tb::strip_cancelled(make_cancelled());
    EXPECT_EQ(bare.rest, nullptr);
    EXPECT_EQ(bare.removed, 1U);
    const tb::strip_result group = tb::strip_cancelled(
        make_group("g", {make_cancelled(), make_group("h", {make_cancelled(), make_cancelled()}, true)}));
    EXPECT_EQ(group.rest, nullptr);
    EXPECT_EQ(group.removed, 3U);
}

TEST(strip_cancelled, removes_at_every_depth_and_drops_branches_that_become_empty) {
    const std::exception_ptr group = make_group(
        "g",
        {make_cancelled(), make_error("a"),
         make_group("h", {make_cancelled(), make_group("i", {make_cancelled(), make_error("b")})}),
         make_group("j", {make_cancelled()}), make_error("c")});
    const tb::strip_result result = tb::strip_cancelled(group);
    EXPECT_EQ(shape(result.rest), "g[a, h[i[b]], c]");
    EXPECT_EQ(result.removed, 4U);
    EXPECT_TRUE(is_caught_as<const tb::exception_group>(result.rest));
}

TEST(strip_cancelled, keeps_untouched_branches_and_leaves_as_they_are) {
    const std::exception_ptr leaf = make_error("a");
    const std::exception_ptr branch = make_group("h", {make_error("b")});
    const tb::strip_result result = tb::strip_cancelled(make_group("g", {leaf, make_cancelled(), branch}));
    EXPECT_EQ(group_in(result.rest).exceptions()[0], leaf);
    EXPECT_EQ(group_in(result.rest).exceptions()[1], branch);
}

TEST(strip_cancelled, never_collapses_a_strict_group) {
    const std::exception_ptr group = make_group("g", {make_group("h", {make_cancelled(), make_error("a")})});
    EXPECT_EQ(shape(tb::strip_cancelled(group).rest), "g[h[a]]");
}

TEST(strip_cancelled, collapses_loose_groups_left_with_one_exception_to_that_exception) {
    const std::exception_ptr leaf = make_error("a");
    const std::exception_ptr group = make_group("g", {make_cancelled(), leaf}, true);
    EXPECT_EQ(tb::strip_cancelled(group).rest, leaf);
    const std::exception_ptr nested =
        make_group("g", {make_cancelled(), make_group("h", {make_cancelled(), leaf}, true)}, true);
    EXPECT_EQ(tb::strip_cancelled(nested).rest, leaf);
}

TEST(strip_cancelled, keeps_loose_groups_of_several) {
    const std::exception_ptr group = make_group("g", {make_cancelled(), make_error("a"), make_error("b")}, true);
    EXPECT_EQ(shape(tb::strip_cancelled(group).rest), "g*[a, b]");
}

TEST(strip_cancelled, collapses_each_group_by_its_own_looseness) {
    const std::exception_ptr strict_in_loose =
        make_group("g", {make_cancelled(), make_group("h", {make_cancelled(), make_error("a")})}, true);
    EXPECT_EQ(shape(tb::strip_cancelled(strict_in_loose).rest), "h[a]");
    const std::exception_ptr loose_in_strict =
        make_group("g", {make_cancelled(), make_group("h", {make_cancelled(), make_error("a")}, true)});
    EXPECT_EQ(shape(tb::strip_cancelled(loose_in_strict).rest), "g[a]");
}

TEST(strip_cancelled, collapses_every_loose_group_of_one_once_anything_was_removed) {
    const std::exception_ptr group = make_group(
        "g", {make_cancelled(), make_error("a"), make_group("h", {make_group("i", {make_error("b")}, true)})});
    EXPECT_EQ(shape(tb::strip_cancelled(group).rest), "g[a, h[b]]");
}

constexpr int tower_height = 100'000;

std::exception_ptr make_tower(std::exception_ptr foot, bool loose = false) {
    for (int level = 0; level < tower_height; ++level) {
        foot = make_group("level", {std::move(foot)}, loose);
    }
    return foot;
}

TEST(deep_groups, need_no_deep_stack_to_be_split_stripped_listed_printed_or_destroyed) {
    std::exception_ptr tower = make_tower(make_group("foot", {make_error("a"), make_cancelled()}));
    EXPECT_EQ(group_in(tower).leaves().size(), 2U);
    EXPECT_TRUE(group_in(tower).contains<tb::cancelled>());
    const auto [match, rest] = group_in(tower).split<tb::cancelled>();
    EXPECT_EQ(group_in(match).leaves().size(), 1U);
    EXPECT_EQ(group_in(rest).leaves().size(), 1U);
    const tb::strip_result stripped = tb::strip_cancelled(tower);
    EXPECT_EQ(stripped.removed, 1U);
    EXPECT_EQ(group_in(stripped.rest).leaves().size(), 1U);
    const std::string text = group_in(tower).what();
    EXPECT_LT(text.size(), 20'000U);
    EXPECT_NE(text.find("... 2 more, nested deeper"), std::string::npos);
    tower = nullptr;
}

TEST(deep_groups, collapse_all_the_way_when_they_are_loose) {
    const std::exception_ptr leaf = make_error("a");
    EXPECT_EQ(tb::strip_cancelled(make_tower(make_group("foot", {leaf, make_cancelled()}, true), true)).rest, leaf);
}

TEST(wide_groups, are_stripped_of_a_hundred_thousand_leaves_correctly) {
    pointers errors;
    for (int number = 0; number < 100'000; ++number) {
        errors.push_back(number % 1000 == 0 ? make_error(std::to_string(number)) : make_cancelled());
    }
    const tb::strip_result result = tb::strip_cancelled(make_group("g", std::move(errors)));
    EXPECT_EQ(result.removed, 99'900U);
    EXPECT_EQ(group_in(result.rest).exceptions().size(), 100U);
    EXPECT_EQ(shape(group_in(result.rest).exceptions()[3]), "3000");
}

}  // namespace
