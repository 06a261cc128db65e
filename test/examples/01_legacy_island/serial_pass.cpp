#include "blocking_socket.hpp"
#include "fetch.hpp"
#include "pass.hpp"
#include "progress.hpp"

#include <algorithm>

namespace legacy_island {

pass fetch_serially(const std::vector<resource>& resources, const limits& bounds) {
    using clock = std::chrono::steady_clock;
    pass result{std::vector<verdict>(resources.size())};
    progress shown("serial", resources.size());
    const auto begun = clock::now();
    const auto overall_deadline = begun + bounds.overall;

    for (std::size_t i = 0; i < resources.size() && clock::now() < overall_deadline; ++i) {
        const verdict one = judge([&] {
            blocking_socket socket(std::min(clock::now() + bounds.request, overall_deadline));
            return fetch(socket, resources[i], bounds.body_bytes);
        });
        if (one.why == failure::timed_out && clock::now() >= overall_deadline) break;
        result.verdicts[i] = one;
        shown.step(one);
    }

    result.wall = clock::now() - begun;
    shown.finish();
    return result;
}

}  // namespace legacy_island
