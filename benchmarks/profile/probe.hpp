#pragma once

#include "benchmarks/profile/cycle_counter.hpp"

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace profile {

/// What the tasks of a contender call around each hand-over. Every task does, for as long as the probe is not full:
/// `leaving`, hand over, `arrived`. Whoever runs next is the one that arrives.

/// Measures each hand-over by itself with the cycle counter. The reading is all that lies inside the measured stretch;
/// counting happens after it, in one or two cache lines unless the hand-over was slow.
class cycle_probe {
public:
    cycle_probe(std::size_t warm_up, std::size_t samples) : warm_up_{warm_up}, last_{warm_up + samples} {
        slow_.reserve(samples / 100 + 1024);
    }

    [[gnu::always_inline]] void leaving() { left_at_ = read_before(); }

    [[gnu::always_inline]] void arrived() {
        const std::uint64_t ticks = read_after() - left_at_;
        // Tasks that arrive when it is full come from one that ended, and ending is not what is measured.
        if (!full() && ++seen_ > warm_up_) {
            count(ticks);
        }
    }

    bool full() const { return seen_ == last_; }

    /// How often each number of ticks was measured, below `fast.size()`, and all others one by one.
    const auto& fast() const { return fast_; }
    const std::vector<std::uint64_t>& slow() const { return slow_; }

private:
    void count(std::uint64_t ticks) {
        if (ticks < fast_.size()) {
            ++fast_[ticks];
        } else {
            slow_.push_back(ticks);
        }
    }

    std::uint64_t left_at_ = 0;
    std::size_t seen_ = 0;
    std::size_t warm_up_;
    std::size_t last_;
    std::array<std::uint32_t, 4096> fast_{};
    std::vector<std::uint64_t> slow_;
};

/// Measures many hand-overs together, with nothing in between: what one costs on average when the processor may overlap
/// it with its neighbours, as in a program. The cycle counter's fences forbid that. The figure is the median of many short
/// stretches: most of them are over before another process gets a turn.
class loop_probe {
public:
    loop_probe(std::size_t warm_up, std::size_t hand_overs);

    [[gnu::always_inline]] void leaving() {}

    [[gnu::always_inline]] void arrived() {
        if (++seen_ == next_reading_) {
            read_clock();
        }
    }

    bool full() const { return times_.size() == readings_; }

    /// Requires: full().
    double ns_per_hand_over() const;

private:
    void read_clock();

    std::size_t seen_ = 0;
    std::size_t next_reading_;
    std::size_t stretch_;   // Units: hand-overs.
    std::size_t readings_;  // one more than there are stretches
    std::vector<std::chrono::steady_clock::time_point> times_;
};

/// The life of each task of a contender.
template <typename Probe, typename HandOver>
void hand_over_until_full(Probe& probe, const HandOver& hand_over) {
    while (!probe.full()) {
        probe.leaving();
        hand_over();
        probe.arrived();
    }
}

}  // namespace profile
