#pragma once

#include <tombolo/fibers/checkpoint.hpp>
#include <tombolo/fibers/parking_lot.hpp>

#include <cstddef>

namespace tombolo {

struct event_statistics {
    std::size_t tasks_waiting = 0;
};

/// Something that happens once, and that any number of tasks wait for.
///
/// It cannot be reset: make a new event for what may happen again, or use a condition_variable for a state that changes to
/// and fro.
///
/// Lifetime: immovable; nobody may wait when it is destroyed. Not thread-safe.
/// Source: trio.Event.
class event {
public:
    event() noexcept = default;
    event(const event&) = delete;
    event& operator=(const event&) = delete;
    /// Requires: nobody waits.
    ~event() = default;

    bool is_set() const noexcept { return is_set_; }

    /// It has happened: wakes everybody who waits, in no particular order. Setting it again does nothing.
    /// Checkpoint: never. Throws: wrong_thread.
    void set() {
        while (!lot_.empty()) lot_.unpark_one();
        is_set_ = true;
    }

    /// Returns when the event has happened.
    /// Checkpoint: always. Cancellation: throws, also when the event happened before the call. Throws: cancelled;
    /// wrong_thread when tasks of another run wait; not_in_task and its kin.
    void wait() {
        if (is_set_)
            checkpoint();
        else
            lot_.park("event::wait");
    }

    event_statistics statistics() const noexcept { return {lot_.size()}; }

private:
    // Invariants:
    // 1. Those who wait in lot_ wait for is_set_ to become true, and do not wait any longer then.
    lowlevel::parking_lot lot_;
    bool is_set_ = false;
};

}  // namespace tombolo
