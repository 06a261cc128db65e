#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <vector>

namespace legacy_island {

/// What the embedded server answers to the request for one of its resources, and how long it takes over it.
struct planned_reply {
    std::chrono::milliseconds delay{};
    std::size_t bytes = 0;
    bool chunked = false;  // else with a Content-Length

    /// The whole reply as it goes over the wire.
    std::string text() const;
};

/// Replies of varied sizes in both framings, with delays spread from 0.4 to 1.6 times the mean: always the same plan.
std::vector<planned_reply> plan_replies(int count, std::chrono::milliseconds mean_delay);

}  // namespace legacy_island
