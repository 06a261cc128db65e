#include "fibers/context/fiber.hpp"

#include "fibers/context/stack_pool.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <numeric>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <execinfo.h>

namespace tombolo::kernel {
namespace {

/// A fiber that runs a function, and the thread's own, to which it goes back.
class running_fiber : fiber {
public:
    explicit running_fiber(std::function<void()> body, std::size_t stack_size = default_stack_size)
        : body_(std::move(body)), stack_(this_thread_stack_pool().allocate(stack_size)) {
        remember_exception_state();
        prepare_fiber(*this, stack_, start);
    }
    running_fiber(const running_fiber&) = delete;
    running_fiber& operator=(const running_fiber&) = delete;
    ~running_fiber() {
        EXPECT_TRUE(ended_) << "a suspended fiber is never destroyed";
        this_thread_stack_pool().release(stack_);
    }

    /// Goes on with the fiber until it gives up or ends.
    [[gnu::always_inline]] void resume() {
        current = this;
        switch_fiber(thread_, *this);
    }
    void finish() {
        while (!ended_) resume();
    }
    bool ended() const { return ended_; }
    const stack& memory() const { return stack_; }

    /// In the fiber: back to whoever resumed it.
    [[gnu::always_inline]] static void give_up() { switch_fiber(*current, current->thread_); }

private:
    static void start(fiber& self) {
        auto& started = static_cast<running_fiber&>(self);
        started.body_();
        started.ended_ = true;
        leave_for_good(started.thread_);
    }

    inline static running_fiber* current = nullptr;
    std::function<void()> body_;
    stack& stack_;
    fiber thread_;
    bool ended_ = false;
};

bool stands_on(const stack& memory, const void* address) {
    const auto* byte = static_cast<const std::byte*>(address);
    return byte >= memory.base && byte < memory.top;
}

TEST(fiber, starts_at_its_first_resume_on_its_own_stack_aligned_as_the_abi_wants) {
    bool ran = false;
    const running_fiber* self = nullptr;
    running_fiber other([&] {
        ran = true;
        EXPECT_TRUE(stands_on(self->memory(), __builtin_frame_address(0)));
        EXPECT_EQ(reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0)) % 16, 0U);
        alignas(16) volatile char aligned[16] = {};
        EXPECT_EQ(reinterpret_cast<std::uintptr_t>(&aligned) % 16, 0U);
    });
    self = &other;
    EXPECT_FALSE(ran);
    other.resume();
    EXPECT_TRUE(ran);
    EXPECT_TRUE(other.ended());
    EXPECT_FALSE(stands_on(other.memory(), __builtin_frame_address(0)));
}

TEST(fiber, goes_on_where_it_gave_up) {
    std::string order;
    running_fiber other([&] {
        for (const char step : {'a', 'b', 'c'}) {
            order += step;
            running_fiber::give_up();
        }
    });
    for (const char step : {'1', '2', '3'}) {
        other.resume();
        order += step;
    }
    other.finish();
    EXPECT_EQ(order, "a1b2c3");
}

template <class Number>
[[gnu::noinline]] Number opaque(Number value) {
    asm volatile("" : "+m"(value));
    return value;
}

/// More values alive across a switch than there are registers to keep them in.
template <class Number, class Switch>
[[gnu::noinline]] void expect_kept(Number seed, Switch change) {
    const Number a = opaque(seed), b = a + 1, c = b * 2, d = c - 3, e = d + a, f = e + 5, g = f * 3, h = g - b;
    const Number i = h + 9, j = i - c, k = j + 11, l = k * 2, m = l - 13, n = m + d, o = n - 15, p = o + 16;
    Number again[16];
    change();
    again[0] = a, again[1] = b, again[2] = c, again[3] = d, again[4] = e, again[5] = f, again[6] = g, again[7] = h;
    again[8] = i, again[9] = j, again[10] = k, again[11] = l, again[12] = m, again[13] = n, again[14] = o,
    again[15] = p;
    Number expected = opaque(seed);
    EXPECT_EQ(again[0], expected);
    EXPECT_EQ(again[1], expected += 1);
    EXPECT_EQ(again[2], expected *= 2);
    EXPECT_EQ(again[3], expected -= 3);
    EXPECT_EQ(again[4], again[3] + again[0]);
    EXPECT_EQ(again[7], (again[4] + 5) * 3 - again[1]);
    EXPECT_EQ(again[9], again[7] + 9 - again[2]);
    EXPECT_EQ(again[15], (again[9] + 11) * 2 - 13 + again[3] - 15 + 16);
}

template <class Number>
void expect_kept_on_both_sides(Number here, Number there) {
    running_fiber other([&] {
        for (int i = 0; i < 3; ++i)
            expect_kept<Number>(there + static_cast<Number>(i), [] { running_fiber::give_up(); });
    });
    for (int i = 0; i < 3; ++i) expect_kept<Number>(here + static_cast<Number>(i), [&] { other.resume(); });
    other.finish();
}

TEST(fiber, keeps_integers_across_a_switch) {
    expect_kept_on_both_sides<std::int64_t>(1000, -77'000'000'000);
    expect_kept_on_both_sides<std::uint32_t>(5, 4'000'000'000U);
}

TEST(fiber, keeps_floating_point_values_across_a_switch) {
    expect_kept_on_both_sides<double>(0.5, -1e10);
    expect_kept_on_both_sides<float>(0.25F, 4096.0F);
}

TEST(fiber, keeps_long_doubles_across_a_switch) { expect_kept_on_both_sides<long double>(0.5L, -1e15L); }

using four_floats = float __attribute__((vector_size(16)));

TEST(fiber, keeps_vectors_across_a_switch) {
    const auto expect_vectors_kept = [](float seed, const auto& change) {
        const float s = opaque(seed);
        const four_floats a = {s, s + 1, s + 2, s + 3}, b = a + a, c = b * b, d = c - a;
        change();
        for (int i = 0; i < 4; ++i) {
            const float first = opaque(seed) + static_cast<float>(i);
            EXPECT_EQ(a[i], first);
            EXPECT_EQ(b[i], 2 * first);
            EXPECT_EQ(c[i], 4 * first * first);
            EXPECT_EQ(d[i], 4 * first * first - first);
        }
    };
    running_fiber other([&] { expect_vectors_kept(100, [] { running_fiber::give_up(); }); });
    expect_vectors_kept(2, [&] { other.resume(); });
    other.finish();
}

/// No calls but the switch: the compiler may keep `local` below the stack pointer.
[[gnu::noinline]] long sum_around_a_switch(fiber& from, fiber& to, long seed) {
    volatile long local[8];
    for (long i = 0; i < 8; ++i) local[i] = seed + i;
    switch_fiber(from, to);
    long sum = 0;
    for (int i = 0; i < 8; ++i) sum += local[i];
    return sum;
}

fiber here;
fiber there;
long sum_there = 0;

TEST(fiber, keeps_the_red_zone_of_a_leaf_function) {
    remember_exception_state();
    here = there = {};
    sum_there = 0;
    stack& memory = this_thread_stack_pool().allocate(default_stack_size);
    prepare_fiber(there, memory, [](fiber&) {
        sum_there = sum_around_a_switch(there, here, 1000);
        leave_for_good(here);
    });
    EXPECT_EQ(sum_around_a_switch(here, there, 1), 8 * 1 + 28);
    EXPECT_EQ(sum_there, 0);
    EXPECT_EQ(sum_around_a_switch(here, there, 2), 8 * 2 + 28);
    EXPECT_EQ(sum_there, 8 * 1000 + 28);
    this_thread_stack_pool().release(memory);
}

std::string text_of_current() {
    const std::exception_ptr current = std::current_exception();
    if (!current) return "none";
    try {
        std::rethrow_exception(current);
    } catch (const std::exception& error) {
        return error.what();
    }
}

// C-25
TEST(fiber, handles_its_own_exception_when_others_switch_inside_of_catch) {
    const auto throw_and_switch = [](const std::string& text, const std::function<void()>& change) {
        try {
            try {
                throw std::runtime_error(text);
            } catch (const std::runtime_error&) {
                change();
                EXPECT_EQ(text_of_current(), text);
                try {
                    throw std::logic_error("inner " + text);
                } catch (const std::logic_error&) {
                    change();
                    EXPECT_EQ(text_of_current(), "inner " + text);
                }
                change();
                EXPECT_EQ(text_of_current(), text);
                throw;
            }
        } catch (const std::runtime_error& again) {
            EXPECT_EQ(again.what(), text);
        }
        EXPECT_EQ(text_of_current(), "none");
    };
    running_fiber a([&] { throw_and_switch("a", [] { running_fiber::give_up(); }); });
    running_fiber b([&] { throw_and_switch("b", [] { running_fiber::give_up(); }); });
    throw_and_switch("thread", [&] {
        a.resume();
        b.resume();
    });
    a.finish();
    b.finish();
}

// C-25
TEST(fiber, counts_its_own_uncaught_exceptions_when_others_switch_during_unwinding) {
    struct switching {
        std::function<void()> change;
        int expected;
        ~switching() {
            EXPECT_EQ(std::uncaught_exceptions(), expected);
            change();
            EXPECT_EQ(std::uncaught_exceptions(), expected);
        }
    };
    running_fiber other([] {
        EXPECT_EQ(std::uncaught_exceptions(), 0) << "a new fiber starts clean";
        running_fiber::give_up();
        try {
            const switching in_unwinding{[] { running_fiber::give_up(); }, 1};
            throw std::runtime_error("other");
        } catch (const std::runtime_error& error) {
            EXPECT_STREQ(error.what(), "other");
        }
        EXPECT_EQ(std::uncaught_exceptions(), 0);
    });
    try {
        const switching second{[&] { other.resume(); }, 1};
        const switching first{[&] { other.resume(); }, 1};
        throw std::logic_error("thread");
    } catch (const std::logic_error& error) {
        EXPECT_STREQ(error.what(), "thread");
    }
    EXPECT_EQ(std::uncaught_exceptions(), 0);
    other.finish();
}

[[gnu::noinline]] void throw_from_the_depth(int depth) {
    const std::string has_a_destructor(static_cast<std::size_t>(depth) + 20, 'x');
    if (depth == 0) throw std::out_of_range("deep");
    throw_from_the_depth(depth - 1);
}

TEST(fiber, unwinds_through_many_frames) {
    bool caught = false;
    running_fiber other([&] {
        try {
            throw_from_the_depth(500);
        } catch (const std::out_of_range&) {
            caught = true;
        }
    });
    other.finish();
    EXPECT_TRUE(caught);
}

[[gnu::noinline]] int frames_at_depth(int depth) {
    if (depth == 0) {
        std::array<void*, 200> frames{};
        return ::backtrace(frames.data(), static_cast<int>(frames.size()));
    }
    const volatile int below = frames_at_depth(depth - 1);
    return below;
}

TEST(fiber, a_backtrace_ends_at_its_entry) {
    int at_top = 0;
    int deeper = 0;
    int after_switch = 0;
    running_fiber other([&] {
        at_top = frames_at_depth(0);
        deeper = frames_at_depth(20);
        running_fiber::give_up();
        after_switch = frames_at_depth(0);
    });
    other.resume();
    other.finish();
    EXPECT_GT(at_top, 2);
    EXPECT_LT(at_top, 30);
    EXPECT_EQ(deeper, at_top + 20);
    EXPECT_EQ(after_switch, at_top);
}

TEST(fiber_death, an_exception_that_nobody_catches_terminates_with_its_text) {
    const auto throw_out_of_a_fiber = [] {
        running_fiber other([] { throw std::runtime_error("out of the fiber"); });
        other.resume();
    };
    EXPECT_DEATH(throw_out_of_a_fiber(), "out of the fiber");
}

[[gnu::noinline]] std::size_t use_stack(std::size_t bytes, const void* from) {
    volatile char frame[1024];
    frame[0] = 1;
    frame[1023] = 1;
    const auto used = static_cast<std::size_t>(static_cast<const char*>(from) - const_cast<const char*>(frame));
    if (used >= bytes) return used;
    const std::size_t deepest = use_stack(bytes, from);
    return frame[0] == 1 ? deepest : 0;
}

TEST(fiber, may_use_nearly_all_of_its_stack_and_still_has_it_after_a_switch) {
    constexpr std::size_t size = 1 << 20;
    std::size_t used = 0;
    running_fiber other(
        [&] {
            const char top = 0;
            for (int i = 0; i < 2; ++i) {
                used = use_stack(size - 16 * 1024, &top);
                running_fiber::give_up();
            }
        },
        size);
    other.resume();
    EXPECT_GE(used, size - 16 * 1024);
    other.finish();
}

TEST(fiber, thousands_take_turns) {
    std::deque<running_fiber> fibers;
    long sum = 0;
    for (long i = 0; i < 2000; ++i) {
        fibers.emplace_back([&sum, i] {
            const long mine = i;
            for (int round = 0; round < 5; ++round) {
                sum += mine;
                running_fiber::give_up();
            }
        });
    }
    for (int round = 0; round < 6; ++round)
        for (running_fiber& each : fibers) each.resume();
    EXPECT_EQ(sum, 5L * 2000 * 1999 / 2);
}

TEST(fiber, many_in_a_row_use_the_same_stack) {
    const void* memory = nullptr;
    for (int i = 0; i < 1000; ++i) {
        int ran = 0;
        running_fiber other([&] { ++ran; });
        other.finish();
        EXPECT_EQ(ran, 1);
        EXPECT_TRUE(i == 0 || memory == &other.memory());
        memory = &other.memory();
    }
}

}  // namespace
}  // namespace tombolo::kernel
