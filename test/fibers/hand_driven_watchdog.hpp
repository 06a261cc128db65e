#pragma once

#include <tombolo/fibers/nursery.hpp>
#include <tombolo/fibers/run.hpp>
#include <tombolo/fibers/watchdog.hpp>
#include <tombolo/testing/mock_clock.hpp>

#include <chrono>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace tombolo::testing {

using namespace std::chrono_literals;

/// A watchdog without a thread, in a time that passes when the test says so.
struct hand_driven {
    explicit hand_driven(watchdog_options options = {}) : dog(completed(std::move(options))) {}

    watchdog_options completed(watchdog_options options) {
        options.threshold = 100ms;
        options.own_thread = false;
        options.wall_time = [this] { return wall; };
        options.cpu_time = [this] { return cpu; };
        if (!options.sink) options.sink = [this](const watchdog_report& report) { reports.push_back(report); };
        return options;
    }

    /// A part of a step that takes so long, with a look at its end.
    void spend(duration length, duration computing = 0s) {
        wall += length;
        cpu += computing;
        dog.look();
    }

    /// A step that has been reported once, after 120 ms.
    void be_reported() {
        dog.look();
        spend(120ms);
    }

    void run_watched(const std::function<void()>& main, std::vector<lowlevel::instrument_ref> others = {}) {
        mock_clock clock{{.autojump_threshold = 0s}};
        others.insert(others.begin(), &dog);
        run(main, {.clock = &clock, .instruments = std::move(others), .detect_deadlock = true});
    }

    duration wall{};
    duration cpu{};
    std::vector<watchdog_report> reports;
    watchdog dog;
};

inline void in_named_task(const std::string& name, const std::function<void()>& body) {
    open_nursery([&](nursery& n) { n.start_soon([&] { body(); }, {.name = name}); });
}

}  // namespace tombolo::testing
