#include "fetch.hpp"
#include "fiber_socket.hpp"
#include "pass.hpp"
#include "progress.hpp"

#include <tombolo/tombolo.hpp>

namespace legacy_island {

namespace tb = tombolo;

pass fetch_on_island(const std::vector<resource>& resources, const limits& bounds) {
    using clock = std::chrono::steady_clock;
    pass result{std::vector<verdict>(resources.size())};
    progress shown("island", resources.size());
    const auto begun = clock::now();

    const auto fetch_one = [&](std::size_t i) {
        result.verdicts[i] = judge([&] {
            fiber_socket socket;
            const auto got =
                tb::move_on_after(bounds.request, [&] { return fetch(socket, resources[i], bounds.body_bytes); });
            if (!got) throw fetch_error(failure::timed_out, "the request deadline came first");
            return *got;
        });
        shown.step(result.verdicts[i]);
    };

    const auto fetch_all = [&] {
        tb::move_on_after(bounds.overall, [&] {
            tb::open_nursery([&](tb::nursery& fetches) {
                for (std::size_t i = 0; i < resources.size(); ++i) {
                    fetches.start_soon([&fetch_one, i] { fetch_one(i); });
                }
            });
        });
    };
    try {
        // Not strict: an interrupt, which arrives in the nursery, leaves it as itself and not as a group of one.
        tb::run(fetch_all, {.strict_groups = false});
    } catch (const tb::keyboard_interrupt&) {
        throw interrupted("interrupted");
    }

    result.wall = clock::now() - begun;
    shown.finish();
    return result;
}

}  // namespace legacy_island
