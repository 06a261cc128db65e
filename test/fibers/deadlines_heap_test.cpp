#include "fibers/core/deadlines.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <vector>

// The deadline heap by itself (C-8, case 35), against a std::multimap that holds the same timers.

namespace {

namespace tb = tombolo;
using tb::kernel::deadlines;
using tb::kernel::timer;

/// Where timers report that they have expired.
struct ledger {
    std::vector<timer*> expired;
};

void note_expiry(timer& due) noexcept { static_cast<ledger*>(due.owner)->expired.push_back(&due); }

/// A heap and a reference that get the same operations.
class pair_of_queues {
public:
    explicit pair_of_queues(std::size_t timers) {
        for (std::size_t i = 0; i < timers; ++i) timers_.push_back(std::make_unique<timer>(&ledger_, note_expiry));
    }
    ~pair_of_queues() {
        for (const auto& each : timers_)
            if (registered(*each)) heap_.remove(*each);
    }

    timer& at(std::size_t i) { return *timers_[i]; }
    std::size_t size() const { return reference_.size(); }
    static bool registered(const timer& t) { return t.slot != timer::not_registered; }

    void add(timer& t, tb::time_point when) {
        t.when = when;
        heap_.reserve_one();
        heap_.add(t);
        reference_.emplace(when, &t);
    }

    void remove(timer& t) {
        heap_.remove(t);
        forget(t);
    }

    /// Expires in both, and expects the same timers, earliest first.
    void expire(tb::time_point now) {
        ledger_.expired.clear();
        const auto end = reference_.upper_bound(now);
        std::set<timer*> expected;
        for (auto it = reference_.begin(); it != end; ++it) expected.insert(it->second);
        const bool any = heap_.expire(now);
        EXPECT_EQ(any, !expected.empty());
        EXPECT_EQ(std::set<timer*>(ledger_.expired.begin(), ledger_.expired.end()), expected);
        EXPECT_EQ(ledger_.expired.size(), expected.size()) << "nothing expires twice";
        EXPECT_TRUE(std::ranges::is_sorted(ledger_.expired, {}, [](timer* t) { return t->when; }));
        for (timer* t : ledger_.expired) EXPECT_FALSE(registered(*t));
        reference_.erase(reference_.begin(), end);
    }

    void expect_same() const {
        ASSERT_EQ(heap_.size(), reference_.size());
        ASSERT_EQ(heap_.empty(), reference_.empty());
        ASSERT_EQ(heap_.next(), reference_.empty() ? tb::time_point::max() : reference_.begin()->first);
    }

    /// Every registered timer knows a slot of its own, and the slots have no gaps.
    void expect_dense_slots() const {
        std::set<std::size_t> slots;
        for (const auto& each : timers_)
            if (registered(*each)) slots.insert(each->slot);
        ASSERT_EQ(slots.size(), reference_.size());
        ASSERT_TRUE(slots.empty() || *slots.rbegin() == slots.size() - 1);
    }

private:
    void forget(timer& t) {
        auto [it, end] = reference_.equal_range(t.when);
        while (it != end && it->second != &t) ++it;
        ASSERT_NE(it, end);
        reference_.erase(it);
    }

    ledger ledger_;
    std::vector<std::unique_ptr<timer>> timers_;
    deadlines heap_;
    std::multimap<tb::time_point, timer*> reference_;
};

tb::time_point at(std::int64_t nanoseconds) { return tb::time_point(tb::duration(nanoseconds)); }

/// `spread`: how many different deadlines there are; few make many equal ones.
void run_random_operations(std::uint64_t seed, std::size_t timers, std::int64_t spread, int operations) {
    std::mt19937_64 random(seed);
    pair_of_queues queues(timers);
    std::int64_t now = 0;
    for (int i = 0; i < operations; ++i) {
        timer& chosen = queues.at(random() % timers);
        const std::int64_t soon = now + static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(spread));
        const bool registered = pair_of_queues::registered(chosen);
        if (random() % 16 == 0) {
            now = soon;
            queues.expire(at(now));
        } else if (!registered) {
            queues.add(chosen, at(soon));
        } else {
            queues.remove(chosen);
            if (random() % 2 == 0) queues.add(chosen, at(soon));
        }
        queues.expect_same();
        if (i % 64 == 0) queues.expect_dense_slots();
        if (::testing::Test::HasFailure()) FAIL() << "seed " << seed << ", operation " << i;
    }
    queues.expire(tb::time_point::max());
    queues.expect_same();
    EXPECT_EQ(queues.size(), 0U);
}

TEST(deadlines_heap, agrees_with_a_sorted_map_under_random_operations) {
    for (std::uint64_t seed = 0; seed < 20; ++seed) run_random_operations(seed, 200, 1'000'000, 5000);
}

TEST(deadlines_heap, agrees_with_a_sorted_map_when_most_deadlines_are_equal) {
    for (std::uint64_t seed = 100; seed < 110; ++seed) run_random_operations(seed, 100, 3, 5000);
}

TEST(deadlines_heap, agrees_with_a_sorted_map_when_it_is_almost_empty) {
    for (std::uint64_t seed = 200; seed < 230; ++seed) run_random_operations(seed, 1 + seed % 6, 100, 500);
}

TEST(deadlines_heap, holds_nothing_at_first_and_the_next_deadline_is_never) {
    deadlines heap;
    EXPECT_TRUE(heap.empty());
    EXPECT_EQ(heap.size(), 0U);
    EXPECT_EQ(heap.next(), tb::time_point::max());
    EXPECT_FALSE(heap.expire(tb::time_point::max()));
}

TEST(deadlines_heap, expires_what_is_due_at_that_very_moment_and_nothing_later) {
    pair_of_queues queues(3);
    queues.add(queues.at(0), at(10));
    queues.add(queues.at(1), at(11));
    queues.add(queues.at(2), tb::time_point::min());
    queues.expire(at(9));
    EXPECT_EQ(queues.size(), 2U);
    queues.expire(at(10));
    EXPECT_EQ(queues.size(), 1U);
    queues.expire(at(10));
    EXPECT_EQ(queues.size(), 1U);
    queues.expire(at(11));
    EXPECT_EQ(queues.size(), 0U);
}

TEST(deadlines_heap, removes_any_element_of_any_size) {
    for (std::size_t size = 1; size <= 40; ++size)
        for (std::size_t removed = 0; removed < size; ++removed) {
            pair_of_queues queues(size);
            for (std::size_t i = 0; i < size; ++i)
                queues.add(queues.at(i), at(static_cast<std::int64_t>(i * 17 % size)));
            queues.remove(queues.at(removed));
            queues.expect_same();
            queues.expect_dense_slots();
            queues.expire(tb::time_point::max());
        }
}

// case 35
TEST(deadlines_heap, keeps_no_trace_of_a_timer_that_is_added_and_removed_over_and_over) {
    pair_of_queues queues(2);
    queues.add(queues.at(0), at(5));
    for (int i = 0; i < 10'000; ++i) {
        queues.add(queues.at(1), at(i % 2 == 0 ? 3 : 7));
        queues.remove(queues.at(1));
        ASSERT_EQ(queues.size(), 1U);
        queues.expect_same();
    }
}

/// A heap whose timers act on it while they expire: as a cancelled scope does, which drops timers of the tasks it wakes.
struct entangled {
    deadlines heap;
    std::vector<std::unique_ptr<timer>> timers;
    std::vector<timer*> expired;

    timer& add(std::int64_t when, timer::expire_fn on_expiry) {
        timers.push_back(std::make_unique<timer>(this, on_expiry, at(when)));
        heap.reserve_one();
        heap.add(*timers.back());
        return *timers.back();
    }
    static entangled& of(timer& due) { return *static_cast<entangled*>(due.owner); }
    static void note(timer& due) noexcept { of(due).expired.push_back(&due); }
};

TEST(deadlines_heap, does_not_expire_a_timer_that_an_earlier_one_has_removed) {
    entangled e;
    e.add(1, [](timer& due) noexcept {
        auto& self = entangled::of(due);
        self.expired.push_back(&due);
        self.heap.remove(*self.timers[1]);
    });
    e.add(2, entangled::note);
    timer& last = e.add(3, entangled::note);
    EXPECT_TRUE(e.heap.expire(at(10)));
    EXPECT_EQ(e.expired, (std::vector<timer*>{e.timers[0].get(), &last}));
    EXPECT_TRUE(e.heap.empty());
}

TEST(deadlines_heap, expires_in_the_same_go_a_timer_that_an_earlier_one_has_made_due) {
    entangled e;
    timer& later = e.add(100, entangled::note);
    e.add(1, [](timer& due) noexcept {
        auto& self = entangled::of(due);
        self.heap.remove(*self.timers[0]);
        self.timers[0]->when = at(2);
        self.heap.add(*self.timers[0]);
    });
    EXPECT_TRUE(e.heap.expire(at(10)));
    EXPECT_EQ(e.expired, (std::vector<timer*>{&later}));
    EXPECT_TRUE(e.heap.empty());
}

}  // namespace
