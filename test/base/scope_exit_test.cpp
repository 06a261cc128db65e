#include <tombolo/base/scope_exit.hpp>

#include <gtest/gtest.h>

#include <memory>
#include <stdexcept>
#include <type_traits>
#include <vector>

namespace {

TEST(scope_exit, calls_its_function_once_at_the_end_of_the_block) {
    int calls = 0;
    {
        const tombolo::scope_exit guard([&] { ++calls; });
        EXPECT_EQ(calls, 0);
    }
    EXPECT_EQ(calls, 1);
}

TEST(scope_exit, calls_its_function_when_an_exception_leaves_the_block) {
    int calls = 0;
    auto block = [&] {
        const tombolo::scope_exit guard([&] { ++calls; });
        throw std::runtime_error("out");
    };
    EXPECT_THROW(block(), std::runtime_error);
    EXPECT_EQ(calls, 1);
}

TEST(scope_exit, calls_nothing_once_released) {
    int calls = 0;
    {
        tombolo::scope_exit guard([&] { ++calls; });
        guard.release();
    }
    EXPECT_EQ(calls, 0);
}

TEST(scope_exit, runs_guards_in_reverse_order) {
    std::vector<int> order;
    {
        const tombolo::scope_exit first([&] { order.push_back(1); });
        const tombolo::scope_exit second([&] { order.push_back(2); });
    }
    EXPECT_EQ(order, (std::vector{2, 1}));
}

TEST(scope_exit, holds_a_move_only_function_and_cannot_be_moved_itself) {
    int seen = 0;
    auto function = [value = std::make_unique<int>(7), &seen] { seen = *value; };
    using guard_type = tombolo::scope_exit<decltype(function)>;
    static_assert(!std::is_move_constructible_v<guard_type> && !std::is_copy_constructible_v<guard_type>);
    { const guard_type guard(std::move(function)); }
    EXPECT_EQ(seen, 7);
}

}  // namespace
