#pragma once

#include <tombolo/fibers/errors.hpp>

#include <string>

namespace tombolo::testing {

/// The time that a task spends in a call that one task at a time may make.
/// Throws: busy_resource when another is in it.
class exclusive_use {
public:
    exclusive_use(bool& taken, const char* what) : taken_(taken) {
        if (taken)
            throw busy_resource(
                std::string(what) + ": another task is at it; let one task do it, or guard it with a mutex");
        taken = true;
    }
    exclusive_use(const exclusive_use&) = delete;
    exclusive_use& operator=(const exclusive_use&) = delete;
    ~exclusive_use() { taken_ = false; }

private:
    bool& taken_;
};

}  // namespace tombolo::testing
