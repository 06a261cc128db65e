#pragma once

#include "verdict.hpp"

#include <chrono>
#include <cstddef>
#include <string>

namespace legacy_island {

/// What the user sees of a pass while it goes on, on stderr: one line that keeps changing on a terminal, a line now and
/// then elsewhere. It takes no lock: the tasks of an island share one thread.
class progress {
public:
    progress(std::string name, std::size_t total);

    void step(const verdict& one);
    void finish();

private:
    using clock = std::chrono::steady_clock;

    void show() const;

    std::string name_;
    std::size_t total_;
    std::size_t done_ = 0;
    std::size_t failed_ = 0;
    bool on_terminal_;
    clock::time_point begun_ = clock::now();
    clock::time_point shown_ = begun_;
};

}  // namespace legacy_island
