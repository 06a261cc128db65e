#include "fibers/testing/fake_net_wire.hpp"

#include <tombolo/fibers/clock.hpp>
#include <tombolo/fibers/run.hpp>
#include <tombolo/fibers/timeouts.hpp>

namespace tombolo::kernel {

void fake_wire::post(time_point when, std::function<void()> what) {
    if (cut_ || !in_run()) return;
    const auto [added, ignored] = events_.emplace(std::pair(when, posted_++), std::move(what));
    if (added == events_.begin()) carrier_.unpark_one();
}

void fake_wire::post_in(duration delay, std::function<void()> what) {
    if (cut_ || !in_run()) return;
    post(saturating_add(now(), delay), std::move(what));
}

void fake_wire::carry() {
    static constexpr auto what = "fake_net: waiting for something to carry";
    while (!cut_) {
        if (events_.empty()) {
            carrier_.park(what);
            continue;
        }
        const time_point next = events_.begin()->first.first;
        if (next > now()) {
            static_cast<void>(move_on_at(next, [&] { carrier_.park(what); }));
            continue;
        }
        events_.extract(events_.begin()).mapped()();
    }
}

void fake_wire::cut() noexcept {
    cut_ = true;
    events_.clear();
    carrier_.unpark_one();
}

}  // namespace tombolo::kernel
