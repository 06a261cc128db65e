#include "fibers/context/stack_pool.hpp"
#include "test/support/borrowed_stacks.hpp"

#include <tombolo/fibers/errors.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <fstream>
#include <string>

#include <sys/resource.h>

namespace tombolo::kernel {
namespace {

using testing::AllOf;
using testing::HasSubstr;

constexpr std::size_t mib = 1024 * 1024;

/// Lets this process map only so much more.
class lowered_address_space_limit {
public:
    explicit lowered_address_space_limit(std::size_t more) {
        std::size_t pages = 0;
        std::ifstream("/proc/self/statm") >> pages;
        EXPECT_EQ(::getrlimit(RLIMIT_AS, &before_), 0);
        bytes_ = pages * page_size() + more;
        const rlimit lowered{bytes_, before_.rlim_max};
        EXPECT_EQ(::setrlimit(RLIMIT_AS, &lowered), 0);
    }
    ~lowered_address_space_limit() { ::setrlimit(RLIMIT_AS, &before_); }
    lowered_address_space_limit(const lowered_address_space_limit&) = delete;
    lowered_address_space_limit& operator=(const lowered_address_space_limit&) = delete;

    std::size_t bytes() const { return bytes_; }

private:
    rlimit before_{};
    std::size_t bytes_ = 0;
};

std::size_t max_map_count() {
    std::size_t count = 0;
    std::ifstream("/proc/sys/vm/max_map_count") >> count;
    return count;
}

TEST(stack_exhaustion, address_space_that_is_used_up_is_reported_with_its_limits_and_changes_nothing) {
    stack_pool pool;
    borrowed_stacks stacks(pool);
    const lowered_address_space_limit limit(640 * mib);  // the first slab wants 3 slots and has to make do with one
    std::string text;
    try {
        stacks.borrow_many(3, 256 * mib);
    } catch (const stack_exhausted& exhausted) {
        text = exhausted.what();
    }
    EXPECT_EQ(stacks.all().size(), 2U);
    EXPECT_THAT(
        text,
        AllOf(
            HasSubstr("stack of 268435456 bytes"), HasSubstr("RLIMIT_AS, ulimit -v) " + std::to_string(limit.bytes())),
            HasSubstr("vm.overcommit_memory"), HasSubstr("This thread has 2 stacks")));
    EXPECT_EQ(pool.statistics().in_use, 2U);
    EXPECT_THROW(stacks.borrow(256 * mib), stack_exhausted);
    EXPECT_EQ(pool.statistics().in_use, 2U);
    stacks.give_back();
    EXPECT_NO_THROW(stacks.borrow_many(2, 256 * mib));
}

TEST(stack_exhaustion, mappings_that_are_used_up_are_reported_with_their_count_and_change_nothing) {
    if (max_map_count() > 200'000) GTEST_SKIP() << "vm.max_map_count is too large to use up in a test";
    stack_pool pool(guard_kind::mprotect);
    borrowed_stacks stacks(pool);
    std::string text;
    try {
        stacks.borrow_many(max_map_count(), minimum_stack_size());
    } catch (const stack_exhausted& exhausted) {
        text = exhausted.what();
    }
    const std::size_t reached = stacks.all().size();
    ASSERT_GT(reached, max_map_count() / 3);
    EXPECT_THAT(
        text,
        AllOf(
            HasSubstr("This thread has " + std::to_string(reached) + " stacks"),
            HasSubstr("vm.max_map_count = " + std::to_string(max_map_count())), HasSubstr("fewer tasks at once"),
            HasSubstr("6.13")));
    EXPECT_EQ(pool.statistics().in_use, reached);
    EXPECT_THROW(stacks.borrow(minimum_stack_size()), stack_exhausted);

    stack* const last = stacks.all().back();
    stacks.give_back();
    EXPECT_EQ(pool.statistics().in_use, 0U);
    stacks.borrow_many(reached, minimum_stack_size());
    EXPECT_EQ(stacks.all().back(), last);
    touch_top(*last);

    stacks.give_back();
    pool.shrink();
    EXPECT_LT(mappings_of_this_process(), max_map_count() / 4);
    EXPECT_NO_THROW(stacks.borrow_many(5000, minimum_stack_size()));
}

}  // namespace
}  // namespace tombolo::kernel
