#include "fibers/context/stack_pool.hpp"

#include "test/support/borrowed_stacks.hpp"

#include <tombolo/fibers/errors.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <limits>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <sys/mman.h>

namespace tombolo::kernel {
namespace {

using testing::AllOf;
using testing::HasSubstr;

constexpr std::size_t kib = 1024;

std::size_t resident_pages(const stack& of) {
    std::vector<unsigned char> pages(of.usable_bytes() / page_size());
    EXPECT_EQ(::mincore(of.base, of.usable_bytes(), pages.data()), 0);
    return static_cast<std::size_t>(
        std::count_if(pages.begin(), pages.end(), [](unsigned char page) { return (page & 1) != 0; }));
}

std::size_t resident_stacks(const std::vector<stack*>& stacks) {
    return static_cast<std::size_t>(
        std::count_if(stacks.begin(), stacks.end(), [](const stack* each) { return resident_pages(*each) != 0; }));
}

std::string refusal_of(std::size_t bytes) {
    try {
        check_stack_size(bytes);
    } catch (const invalid_stack_size& refused) {
        return refused.what();
    }
    return "accepted";
}

TEST(stack_size, the_default_and_the_minimum_are_accepted) {
    EXPECT_NO_THROW(check_stack_size(default_stack_size));
    EXPECT_NO_THROW(check_stack_size(minimum_stack_size()));
    EXPECT_GE(minimum_stack_size(), 16 * kib);
    EXPECT_EQ(minimum_stack_size() % page_size(), 0U);
}

TEST(stack_size, a_small_one_is_refused_with_the_minimum) {
    const std::string least = std::to_string(minimum_stack_size());
    EXPECT_THAT(refusal_of(0), AllOf(HasSubstr("of 0 bytes"), HasSubstr("too small"), HasSubstr("use " + least)));
    EXPECT_THAT(refusal_of(page_size()), AllOf(HasSubstr(std::to_string(page_size())), HasSubstr("use " + least)));
}

TEST(stack_size, one_between_pages_is_refused_with_the_next_good_one) {
    const std::size_t good = minimum_stack_size() + page_size();
    EXPECT_THAT(
        refusal_of(good - 1),
        AllOf(
            HasSubstr(std::to_string(good - 1)), HasSubstr("multiple of the page size, " + std::to_string(page_size())),
            HasSubstr("use " + std::to_string(good))));
}

TEST(stack_size, an_absurd_one_is_refused_with_the_maximum) {
    constexpr std::size_t most = std::size_t{1} << 30;
    EXPECT_NO_THROW(check_stack_size(most));
    EXPECT_THAT(refusal_of(most + page_size()), AllOf(HasSubstr("too large"), HasSubstr("use 1073741824")));
    const std::size_t minus_one = std::numeric_limits<std::size_t>::max();
    EXPECT_THAT(refusal_of(minus_one), AllOf(HasSubstr(std::to_string(minus_one)), HasSubstr("too large")));
}

TEST(stack_pool, a_stack_is_as_large_as_was_asked_for_and_writable_from_end_to_end) {
    stack_pool pool;
    borrowed_stacks stacks(pool);
    for (const std::size_t size : {minimum_stack_size(), default_stack_size, std::size_t{1024} * kib}) {
        stack& some = stacks.borrow(size);
        EXPECT_EQ(some.usable_bytes(), size);
        EXPECT_EQ(some.owner->stack_size(), size);
        EXPECT_LE(static_cast<std::size_t>(some.top - some.base), size);
        EXPECT_GE(static_cast<std::size_t>(some.top - some.base), size - kib);
        EXPECT_EQ(reinterpret_cast<std::uintptr_t>(some.top) % 64, 0U);
        EXPECT_EQ(some.guard_high(), some.base);
        EXPECT_GE(static_cast<std::size_t>(some.guard_high() - some.guard_low()), page_size());
        std::memset(some.base, 0x5a, static_cast<std::size_t>(some.top - some.base));
    }
}

TEST(stack_pool, stacks_and_their_guards_do_not_overlap) {
    stack_pool pool;
    borrowed_stacks stacks(pool);
    stacks.borrow_many(200);
    std::vector<stack*> by_address = stacks.all();
    std::sort(by_address.begin(), by_address.end(), [](const stack* a, const stack* b) { return a->base < b->base; });
    for (std::size_t i = 1; i < by_address.size(); ++i)
        EXPECT_LE(by_address[i - 1]->base + by_address[i - 1]->usable_bytes(), by_address[i]->guard_low());
}

TEST(stack_pool, the_stack_released_last_is_allocated_first) {
    stack_pool pool;
    stack& first = pool.allocate(default_stack_size);
    stack& second = pool.allocate(default_stack_size);
    ASSERT_NE(&first, &second);
    pool.release(first);
    pool.release(second);
    EXPECT_EQ(&pool.allocate(default_stack_size), &second);
    EXPECT_EQ(&pool.allocate(default_stack_size), &first);
    pool.release(first);
    pool.release(second);
}

TEST(stack_pool, only_stacks_of_one_size_share_an_owner_and_are_exchanged) {
    stack_pool pool;
    borrowed_stacks stacks(pool);
    const stack* const small = &stacks.borrow(64 * kib);
    const stack* const large = &stacks.borrow(512 * kib);
    EXPECT_EQ(small->owner, stacks.borrow(64 * kib).owner);
    EXPECT_NE(small->owner, large->owner);
    stacks.give_back();
    EXPECT_EQ(stacks.borrow(512 * kib).base, large->base);
    EXPECT_EQ(stacks.borrow(64 * kib).base, small->base);
    EXPECT_EQ(pool.statistics().sizes, 2U);
}

TEST(stack_pool, release_leaves_the_contents_alone) {
    stack_pool pool;
    stack& some = pool.allocate(default_stack_size);
    std::memset(some.base, 0x5a, static_cast<std::size_t>(some.top - some.base));
    pool.release(some);
    EXPECT_TRUE(std::all_of(some.base, some.top, [](std::byte each) { return each == std::byte{0x5a}; }));
}

TEST(stack_pool, tops_of_neighbours_fall_into_different_cache_sets) {
    stack_pool pool;
    borrowed_stacks stacks(pool);
    stacks.borrow_many(16);
    std::set<std::uintptr_t> lines;
    for (const stack* each : stacks.all()) lines.insert(reinterpret_cast<std::uintptr_t>(each->top) / 64 % 64);
    EXPECT_EQ(lines.size(), 16U);
}

TEST(stack_pool, stacks_lie_an_odd_number_of_pages_apart) {
    stack_pool pool;
    for (const std::size_t size : {minimum_stack_size(), default_stack_size, default_stack_size + page_size()}) {
        borrowed_stacks stacks(pool);
        stacks.borrow_many(2, size);
        const auto distance = static_cast<std::size_t>(stacks.all()[1]->base - stacks.all()[0]->base);
        EXPECT_EQ(distance / page_size() % 2, 1U) << size;
    }
}

TEST(stack_pool, statistics_count_stacks_and_remember_the_peak) {
    stack_pool pool;
    borrowed_stacks stacks(pool);
    EXPECT_EQ(pool.statistics().slabs, 0U);
    stacks.borrow_many(20);
    stacks.give_back();
    stacks.borrow_many(5);
    const stack_statistics figures = pool.statistics();
    EXPECT_EQ(figures.in_use, 5U);
    EXPECT_EQ(figures.free, 15U);
    EXPECT_EQ(figures.peak_in_use, 20U);
    EXPECT_GE(figures.mapped_slots, 20U);
    EXPECT_GE(figures.mapped_bytes, 20 * default_stack_size);
    EXPECT_NE(figures.guards, guard_kind::automatic);
}

TEST(stack_pool, a_program_with_few_tasks_maps_little) {
    stack_pool pool;
    borrowed_stacks stacks(pool);
    stacks.borrow();
    EXPECT_LE(pool.statistics().mapped_slots, 16U);
}

TEST(stack_pool, many_stacks_take_few_slabs_and_with_madvise_few_mappings) {
    stack_pool pool;
    borrowed_stacks stacks(pool);
    const std::size_t before = mappings_of_this_process();
    stacks.borrow_many(10'000);
    EXPECT_LE(pool.statistics().slabs, 16U);
    if (pool.statistics().guards == guard_kind::madvise) {
        EXPECT_LE(mappings_of_this_process() - before, 40U);
    }
}

TEST(stack_pool, a_parked_stack_keeps_one_page_resident) {
    stack_pool pool;
    borrowed_stacks stacks(pool);
    stacks.borrow_many(100);
    for (stack* each : stacks.all()) {
        std::memset(each->top - 2 * kib, 1, 2 * kib);
        EXPECT_EQ(resident_pages(*each), 1U);
    }
}

TEST(stack_pool, trim_gives_back_the_pages_of_all_but_the_newest_free_stacks) {
    stack_pool pool;
    borrowed_stacks stacks(pool);
    stacks.borrow_many(50);
    for (stack* each : stacks.all()) touch_top(*each);
    const std::vector<stack*> all = stacks.all();
    ASSERT_EQ(resident_stacks(all), 50U);

    pool.trim(0);
    EXPECT_EQ(resident_stacks(all), 50U) << "stacks in use are left alone";

    stacks.give_back();  // all[0] is released last: the newest
    pool.trim(10);
    EXPECT_EQ(resident_stacks({all.begin(), all.begin() + 10}), 10U);
    EXPECT_EQ(resident_stacks({all.begin() + 10, all.end()}), 0U);
    pool.trim(0);
    EXPECT_EQ(resident_stacks(all), 0U);
}

TEST(stack_pool, a_trimmed_stack_is_used_and_trimmed_again) {
    stack_pool pool;
    stack& some = pool.allocate(default_stack_size);
    for (int round = 0; round < 3; ++round) {
        touch_top(some);
        pool.release(some);
        pool.trim(0);
        EXPECT_EQ(resident_pages(some), 0U);
        EXPECT_EQ(&pool.allocate(default_stack_size), &some);
        EXPECT_EQ(some.top[-1], std::byte{0});
    }
    pool.release(some);
}

TEST(stack_pool, trim_idle_gives_back_only_what_stayed_free_since_the_last_time) {
    stack_pool pool;
    borrowed_stacks stacks(pool);
    stacks.borrow_many(50);
    for (stack* each : stacks.all()) touch_top(*each);
    const std::vector<stack*> all = stacks.all();
    stacks.give_back();

    EXPECT_FALSE(pool.trim_idle());
    EXPECT_EQ(resident_stacks(all), 50U) << "all were in use a moment ago";

    stacks.borrow_many(20);  // a burst between two idle moments uses the 20 newest
    stacks.give_back();
    EXPECT_FALSE(pool.trim_idle());
    EXPECT_EQ(resident_stacks(all), 20U);

    EXPECT_FALSE(pool.trim_idle());
    EXPECT_EQ(resident_stacks(all), 0U);
}

TEST(stack_pool, trim_and_trim_idle_may_be_mixed) {
    stack_pool pool;
    borrowed_stacks stacks(pool);
    stacks.borrow_many(50);
    for (stack* each : stacks.all()) touch_top(*each);
    const std::vector<stack*> all = stacks.all();
    stacks.give_back();
    pool.trim_idle();
    stacks.borrow_many(20);
    stacks.give_back();
    pool.trim(30);
    EXPECT_EQ(resident_stacks(all), 30U);
    pool.trim_idle();
    EXPECT_EQ(resident_stacks(all), 20U);
    pool.trim(0);
    pool.trim_idle();
    EXPECT_EQ(resident_stacks(all), 0U);

    stacks.borrow_many(50);
    EXPECT_EQ(pool.statistics().peak_in_use, 50U) << "trimmed stacks are taken before new slots";
}

TEST(stack_pool, trim_idle_does_a_bounded_amount_of_work_and_says_that_more_is_left) {
    stack_pool pool;
    borrowed_stacks stacks(pool);
    stacks.borrow_many(stack_pool::idle_batch + 10, minimum_stack_size());
    for (stack* each : stacks.all()) touch_top(*each);
    const std::vector<stack*> all = stacks.all();
    stacks.give_back();
    EXPECT_FALSE(pool.trim_idle());
    EXPECT_TRUE(pool.trim_idle());
    EXPECT_EQ(resident_stacks(all), 10U);
    EXPECT_FALSE(pool.trim_idle());
    EXPECT_EQ(resident_stacks(all), 0U);
}

TEST(stack_pool, make_zero_lets_measure_used_find_the_high_water) {
    stack_pool pool;
    borrowed_stacks stacks(pool);
    stack& some = stacks.borrow();
    std::memset(some.base, 0x5a, static_cast<std::size_t>(some.top - some.base));
    EXPECT_EQ(stack_pool::measure_used(some), static_cast<std::size_t>(some.top - some.base));

    pool.make_zero(some);
    EXPECT_EQ(stack_pool::measure_used(some), 0U);
    for (const std::size_t depth : {std::size_t{1}, std::size_t{100}, 5 * kib, 100 * kib + 3, 200 * kib}) {
        some.top[-static_cast<std::ptrdiff_t>(depth)] = std::byte{1};
        EXPECT_EQ(stack_pool::measure_used(some), depth);
    }
}

TEST(stack_pool, measure_used_touches_no_page) {
    stack_pool pool;
    borrowed_stacks stacks(pool);
    stack& some = stacks.borrow();
    touch_top(some);
    EXPECT_EQ(stack_pool::measure_used(some), 1U);
    EXPECT_EQ(resident_pages(some), 1U);
}

TEST(stack_pool, shrink_unmaps_all_but_a_few_slots_when_nothing_is_in_use) {
    stack_pool pool;
    borrowed_stacks stacks(pool);
    stacks.borrow_many(3000);
    stacks.borrow_many(3000, 64 * kib);
    pool.shrink();
    EXPECT_EQ(pool.statistics().in_use, 6000U) << "in use: left alone";

    const std::size_t before = pool.statistics().mapped_bytes;
    stacks.give_back();
    pool.shrink();
    const stack_statistics figures = pool.statistics();
    EXPECT_LE(figures.mapped_slots, stack_pool::kept_slots);
    EXPECT_LT(figures.mapped_bytes, before / 4);
    EXPECT_EQ(figures.free, figures.mapped_slots);
    EXPECT_EQ(figures.in_use, 0U);
    EXPECT_EQ(figures.peak_in_use, 6000U);

    stacks.borrow_many(3000);
    for (stack* each : stacks.all()) touch_top(*each);
    EXPECT_EQ(pool.statistics().in_use, 3000U);
    EXPECT_EQ(std::set<stack*>(stacks.all().begin(), stacks.all().end()).size(), 3000U);
}

TEST(stack_pool, every_thread_has_one_of_its_own) {
    stack_pool* const mine = &this_thread_stack_pool();
    EXPECT_EQ(&this_thread_stack_pool(), mine);
    stack_pool* others = nullptr;
    std::thread other([&] {
        others = &this_thread_stack_pool();
        others->release(others->allocate(default_stack_size));
    });
    other.join();
    EXPECT_NE(others, nullptr);
    EXPECT_NE(others, mine);
}

TEST(stack_pool, dying_with_a_stack_in_use_is_a_reported_error) {
    EXPECT_DEATH(
        {
            stack_pool pool;
            pool.allocate(default_stack_size);
        },
        "still in use");
}

#if defined(TOMBOLO_ASAN)
TEST(stack_pool, a_reused_stack_carries_no_marks_of_its_last_user) {
    stack_pool pool;
    for (const bool trimmed : {false, true}) {
        stack& some = pool.allocate(default_stack_size);
        __asan_poison_memory_region(some.base, some.usable_bytes());
        pool.release(some);
        if (trimmed) pool.trim(0);
        ASSERT_EQ(&pool.allocate(default_stack_size), &some);
        EXPECT_EQ(__asan_region_is_poisoned(some.base, some.usable_bytes()), nullptr);
        pool.release(some);
    }
}

TEST(stack_pool, unmapped_stacks_leave_no_marks_behind) {
    std::byte* low = nullptr;
    std::size_t bytes = 0;
    {
        stack_pool pool;
        stack& some = pool.allocate(default_stack_size);
        low = some.base;
        bytes = some.usable_bytes();
        __asan_poison_memory_region(low, bytes);
        pool.release(some);
    }
    EXPECT_EQ(__asan_region_is_poisoned(low, bytes), nullptr);
}
#endif

}  // namespace
}  // namespace tombolo::kernel
