#include "fibers/trace/track_slices.hpp"

#include <array>
#include <cstdio>

namespace tombolo::kernel {

namespace {

/// "2 s", "1.5 ms", "200 us".
std::string brief(std::uint64_t nanoseconds) {
    struct unit {
        double nanoseconds;
        const char* name;
    };
    constexpr std::array<unit, 6> units{
        {{3600e9, "h"}, {60e9, "min"}, {1e9, "s"}, {1e6, "ms"}, {1e3, "us"}, {1, "ns"}}};
    const auto value = static_cast<double>(nanoseconds);
    const unit* fits = &units.back();
    for (const unit& each : units)
        if (value >= 0.9995 * each.nanoseconds) {
            fits = &each;
            break;
        }
    std::array<char, 40> text;
    std::snprintf(text.data(), text.size(), "%.3g %s", value / fits->nanoseconds, fits->name);
    return text.data();
}

}  // namespace

std::string name_of(const timeline::span& span) {
    if (span.is_nursery) return "nursery";
    const std::string shielded = span.shielded ? "shielded " : "";
    if (span.to_deadline != no_deadline) return shielded + "timeout " + brief(span.to_deadline);
    return shielded + "cancel scope";
}

}  // namespace tombolo::kernel
