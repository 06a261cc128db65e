#include "benchmarks/profile/distribution.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

namespace profile {

distribution::distribution(const cycle_probe& probe, const calibration& counter)
    : half_step_{counter.resolution_ns() / 2} {
    const auto ns = [&counter](std::uint64_t ticks) {
        return (static_cast<double>(ticks) - counter.overhead) * counter.ns_per_tick;
    };
    for (std::size_t ticks = 0; ticks < probe.fast().size(); ++ticks) {
        if (probe.fast()[ticks] != 0) {
            add(ns(ticks), probe.fast()[ticks]);
        }
    }
    std::vector<std::uint64_t> slow = probe.slow();
    std::sort(slow.begin(), slow.end());
    for (const std::uint64_t ticks : slow) {
        add(ns(ticks), 1);
    }
    mean_ /= static_cast<double>(samples_);
}

void distribution::add(double ns, std::size_t count) {
    samples_ += count;
    mean_ += ns * static_cast<double>(count);
    if (!values_.empty() && values_.back().ns == ns) {
        values_.back().count += count;
        values_.back().up_to = samples_;
    } else {
        values_.push_back({ns, count, samples_});
    }
}

double distribution::max() const { return std::max(0.0, values_.back().ns); }

double distribution::quantile(double q) const {
    const double rank = q * static_cast<double>(samples_);
    const auto found = std::find_if(values_.begin(), values_.end() - 1, [rank](const value& each) {
        return static_cast<double>(each.up_to) >= rank;
    });
    const double below = static_cast<double>(found->up_to - found->count);
    const double within = (rank - below) / static_cast<double>(found->count);
    return std::clamp(found->ns - half_step_ + 2 * half_step_ * within, 0.0, max());
}

double distribution::spread_up_to(const value& of, double ns) const {
    return std::clamp((ns - (of.ns - half_step_)) / (2 * half_step_), 0.0, 1.0) * static_cast<double>(of.count);
}

double distribution::share_between(double from, double to) const {
    const auto first = std::lower_bound(
        values_.begin(), values_.end(), from - half_step_, [](const value& each, double ns) { return each.ns < ns; });
    double inside = 0;
    for (auto each = first; each != values_.end() && each->ns <= to + half_step_; ++each) {
        inside += spread_up_to(*each, to) - spread_up_to(*each, from);
    }
    return inside / static_cast<double>(samples_);
}

double log_buckets::edge(int bucket) { return lowest_ns * std::pow(10.0, static_cast<double>(bucket) / per_decade); }

std::vector<double> log_buckets::shares(const distribution& of) {
    constexpr double everything = std::numeric_limits<double>::max() / 4;
    std::vector<double> result;
    for (int bucket = 0; bucket < count; ++bucket) {
        const double from = bucket == 0 ? -everything : edge(bucket);
        const double to = bucket + 1 == count ? everything : edge(bucket + 1);
        result.push_back(of.share_between(from, to));
    }
    return result;
}

}  // namespace profile
