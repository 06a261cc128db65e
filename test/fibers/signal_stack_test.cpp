#include "fibers/context/signal_stack.hpp"

#include <gtest/gtest.h>

#include <vector>

#include <signal.h>

namespace tombolo::kernel {
namespace {

void write_to(void* address) { *static_cast<volatile char*>(address) = 1; }

/// Takes away the alternate stack that a sanitizer may have given this thread.
class without_signal_stack {
public:
    without_signal_stack() {
        stack_t none{};
        none.ss_flags = SS_DISABLE;
        EXPECT_EQ(::sigaltstack(&none, &before_), 0);
    }
    ~without_signal_stack() { ::sigaltstack(&before_, nullptr); }
    without_signal_stack(const without_signal_stack&) = delete;
    without_signal_stack& operator=(const without_signal_stack&) = delete;

private:
    stack_t before_{};
};

stack_t present_signal_stack() {
    stack_t present{};
    EXPECT_EQ(::sigaltstack(nullptr, &present), 0);
    return present;
}

bool has_signal_stack() { return (present_signal_stack().ss_flags & SS_DISABLE) == 0; }

TEST(signal_stack, lasts_as_long_as_its_object) {
    const without_signal_stack bare;
    {
        const signal_stack ours;
        ASSERT_TRUE(has_signal_stack());
        const stack_t present = present_signal_stack();
        EXPECT_GE(present.ss_size, 64U * 1024U);
        write_to(present.ss_sp);
        write_to(static_cast<char*>(present.ss_sp) + present.ss_size - 1);
    }
    EXPECT_FALSE(has_signal_stack());
}

TEST(signal_stack, leaves_one_that_is_there_alone) {
    const without_signal_stack bare;
    const signal_stack first;
    const void* const memory = present_signal_stack().ss_sp;
    {
        const signal_stack second;
        EXPECT_EQ(present_signal_stack().ss_sp, memory);
    }
    EXPECT_EQ(present_signal_stack().ss_sp, memory);
}

TEST(signal_stack, leaves_one_that_came_later_alone) {
    const without_signal_stack bare;
    std::vector<char> memory(256 * 1024);
    stack_t later{};
    later.ss_sp = memory.data();
    later.ss_size = memory.size();
    {
        const signal_stack ours;
        ASSERT_EQ(::sigaltstack(&later, nullptr), 0);
    }
    EXPECT_EQ(present_signal_stack().ss_sp, memory.data());
}

TEST(signal_stack, is_guarded) {
    const without_signal_stack bare;
    const signal_stack ours;
    EXPECT_DEATH(write_to(static_cast<char*>(present_signal_stack().ss_sp) - 1), "");
}

}  // namespace
}  // namespace tombolo::kernel
