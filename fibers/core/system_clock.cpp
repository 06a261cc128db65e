#include "fibers/core/system_clock.hpp"

#include <random>

namespace tombolo::kernel {

system_clock::system_clock() {
    using namespace std::chrono_literals;
    thread_local std::minstd_rand random(std::random_device{}());
    std::uniform_int_distribution<std::int64_t> hours_or_days(duration(10'000s).count(), duration(200'000s).count());
    offset_ = duration(hours_or_days(random));
}

duration system_clock::time_until(time_point deadline) const {
    return deadline == time_point::max() ? duration::max() : saturating_difference(deadline, now());
}

}  // namespace tombolo::kernel
