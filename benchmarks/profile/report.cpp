#include "benchmarks/profile/report.hpp"

#include <algorithm>
#include <array>
#include <cstdio>

namespace profile {

std::vector<int> report::task_counts() const {
    std::vector<int> counts;
    for (const measurement& each : measurements) {
        if (std::find(counts.begin(), counts.end(), each.tasks) == counts.end()) {
            counts.push_back(each.tasks);
        }
    }
    return counts;
}

std::vector<const measurement*> report::with_tasks(int tasks) const {
    std::vector<const measurement*> found;
    for (const measurement& each : measurements) {
        if (each.tasks == tasks) {
            found.push_back(&each);
        }
    }
    return found;
}

std::string as_time(double ns) {
    struct unit {
        const char* name;
        double ns;
    };
    constexpr std::array units{unit{"ns", 1}, unit{"us", 1e3}, unit{"ms", 1e6}, unit{"s", 1e9}};
    std::size_t chosen = 0;
    // 999.5 would be written as 1000.
    while (chosen + 1 < units.size() && ns / units[chosen].ns >= 999.5) {
        ++chosen;
    }
    const double value = ns / units[chosen].ns;
    const int decimals = value < 9.995 ? 2 : value < 99.95 ? 1 : 0;
    char text[64];
    std::snprintf(text, sizeof text, "%.*f %s", decimals, value, units[chosen].name);
    return text;
}

std::string as_count(std::size_t count) {
    std::string digits = std::to_string(count);
    for (auto position = static_cast<std::ptrdiff_t>(digits.size()) - 3; position > 0; position -= 3) {
        digits.insert(static_cast<std::size_t>(position), 1, ',');
    }
    return digits;
}

}  // namespace profile
