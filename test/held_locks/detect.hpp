#pragma once

#include <tombolo/fibers/held_locks.hpp>
#include <tombolo/fibers/run.hpp>
#include <tombolo/testing/mock_clock.hpp>

#include <chrono>
#include <functional>
#include <utility>
#include <vector>

namespace tombolo::testing {

using namespace std::chrono_literals;
using reports = std::vector<held_lock_report>;

/// What a detector says about a run.
inline reports detect(const std::function<void()>& main, held_lock_options options = {}) {
    reports found;
    options.sink = [&](const held_lock_report& report) { found.push_back(report); };
    held_lock_detector detector(std::move(options));
    mock_clock clock{{.autojump_threshold = 0s}};
    run(main, {.clock = &clock, .instruments = {&detector}, .detect_deadlock = true});
    return found;
}

}  // namespace tombolo::testing
