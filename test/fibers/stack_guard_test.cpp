#include "fibers/context/stack_guard.hpp"

#include "fibers/context/stack_pool.hpp"
#include "test/support/borrowed_stacks.hpp"

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdio>
#include <cstring>

#include <sys/mman.h>

namespace tombolo::kernel {
namespace {

void write_to(std::byte* address) { *const_cast<volatile std::byte*>(address) = std::byte{1}; }

class stack_guard : public testing::TestWithParam<guard_kind> {
protected:
    void SetUp() override {
        if (GetParam() == guard_kind::madvise && guard_kind_here() != guard_kind::madvise)
            GTEST_SKIP() << "this kernel has no MADV_GUARD_INSTALL";
        testing::FLAGS_gtest_death_test_style = "fast";
    }
};

INSTANTIATE_TEST_SUITE_P(
    guards, stack_guard, testing::Values(guard_kind::automatic, guard_kind::madvise, guard_kind::mprotect),
    [](const auto& tested) {
        return tested.param == guard_kind::automatic ? "automatic"
            : tested.param == guard_kind::madvise    ? "madvise"
                                                     : "mprotect";
    });

TEST_P(stack_guard, writing_anywhere_in_the_guard_is_fatal) {
    stack_pool pool(GetParam());
    borrowed_stacks stacks(pool);
    stacks.borrow_many(2);
    for (stack* each : stacks.all()) {
        write_to(each->base);
        EXPECT_DEATH(write_to(each->base - 1), "");
        EXPECT_DEATH(write_to(each->base - each->guard_bytes), "");
    }
}

TEST_P(stack_guard, guards_survive_reuse_and_trimming) {
    stack_pool pool(GetParam());
    stack& some = pool.allocate(default_stack_size);
    touch_top(some);
    pool.release(some);
    pool.trim(0);
    ASSERT_EQ(&pool.allocate(default_stack_size), &some);
    pool.make_zero(some);
    EXPECT_DEATH(write_to(some.base - 1), "");
    EXPECT_DEATH(write_to(some.base - some.guard_bytes), "");
    pool.release(some);
}

TEST_P(stack_guard, guards_survive_shrinking) {
    stack_pool pool(GetParam());
    borrowed_stacks stacks(pool);
    stacks.borrow_many(2000, minimum_stack_size());
    stacks.give_back();
    pool.shrink();
    stack& kept = stacks.borrow(minimum_stack_size());
    write_to(kept.base);
    EXPECT_DEATH(write_to(kept.base - 1), "");
}

void use_a_pool_in_locked_memory() {
    // Not allowed in every container; and sanitizers make it do nothing. Unlocked memory must pass too.
    static_cast<void>(::mlockall(MCL_FUTURE));
    stack_pool pool;
    stack& some = pool.allocate(minimum_stack_size());
    std::memset(some.base, 0x5a, static_cast<std::size_t>(some.top - some.base));
    pool.make_zero(some);
    if (stack_pool::measure_used(some) != 0) return;
    pool.release(some);
    pool.trim(0);
    std::fputs("measured and trimmed", stderr);
    write_to(some.base - 1);
}

TEST(locked_stack_guard, memory_locked_by_the_program_is_guarded_and_measured_all_the_same) {
    // A death test also because locking is for the whole process.
    EXPECT_DEATH(use_a_pool_in_locked_memory(), "measured and trimmed");
}

}  // namespace
}  // namespace tombolo::kernel
