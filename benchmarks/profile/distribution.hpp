#pragma once

#include "benchmarks/profile/probe.hpp"

#include <cstddef>
#include <utility>
#include <vector>

namespace profile {

/// What one contender's hand-overs took, in nanoseconds, without the overhead of reading the counter.
///
/// The counter moves in steps, so a sample says only that the hand-over took about so many steps: a sample stands for all
/// the times half a step to either side, equally likely. Quantiles and buckets are those of that spread, the mean and the
/// maximum those of the samples.
class distribution {
public:
    /// Requires: the probe is full.
    distribution(const cycle_probe& probe, const calibration& counter);

    std::size_t samples() const { return samples_; }
    double mean() const { return mean_; }
    double max() const;
    /// The time that a share `q` of the samples does not exceed.
    double quantile(double q) const;
    /// The share of the samples between two times.
    double share_between(double from, double to) const;

private:
    struct value {
        double ns;
        std::size_t count;
        std::size_t up_to;  ///< samples of this value and all smaller ones
    };

    void add(double ns, std::size_t count);
    double spread_up_to(const value& of, double ns) const;

    std::vector<value> values_;  // 1. ascending by ns. 2. never empty.
    double half_step_ = 0;       // Units: ns.
    std::size_t samples_ = 0;
    double mean_ = 0;
};

/// The buckets of the histograms: equally wide on a logarithmic scale, the same for every contender.
struct log_buckets {
    static constexpr double lowest_ns = 1;
    static constexpr int per_decade = 16;
    static constexpr int decades = 7;
    static constexpr int count = per_decade * decades;

    /// The lower edge of a bucket; of `count`, the end of the scale.
    static double edge(int bucket);

    /// The share of the samples in each bucket. The first one also holds what is faster than the scale begins, the last
    /// one what is slower than it ends.
    static std::vector<double> shares(const distribution& of);
};

}  // namespace profile
