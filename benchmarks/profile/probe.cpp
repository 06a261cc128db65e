#include "benchmarks/profile/probe.hpp"

#include <algorithm>

namespace profile {
namespace {

// So long that reading the clock once per stretch does not show.
constexpr std::size_t shortest_stretch = 200;
constexpr std::size_t most_stretches = 1000;

}  // namespace

loop_probe::loop_probe(std::size_t warm_up, std::size_t hand_overs)
    : next_reading_{warm_up},
      stretch_{std::max(shortest_stretch, hand_overs / most_stretches)},
      readings_{std::max<std::size_t>(1, hand_overs / stretch_) + 1} {
    times_.reserve(readings_);
}

void loop_probe::read_clock() {
    if (!full()) {
        times_.push_back(std::chrono::steady_clock::now());
        next_reading_ += stretch_;
    }
}

double loop_probe::ns_per_hand_over() const {
    std::vector<double> stretches;
    for (std::size_t i = 1; i < times_.size(); ++i) {
        stretches.push_back(std::chrono::duration<double, std::nano>{times_[i] - times_[i - 1]}.count());
    }
    const auto middle = stretches.begin() + static_cast<std::ptrdiff_t>(stretches.size() / 2);
    std::nth_element(stretches.begin(), middle, stretches.end());
    return *middle / static_cast<double>(stretch_);
}

}  // namespace profile
