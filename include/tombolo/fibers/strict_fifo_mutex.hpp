#pragma once

#include <tombolo/fibers/mutex.hpp>

namespace tombolo {

/// A mutex whose order is part of its meaning: tasks own it in exactly the order in which they asked, whatever becomes of
/// mutex one day. Use it where overtaking would be wrong and not just unfair, to send messages over a wire for instance.
/// condition_variable takes a plain mutex only.
///
/// Lifetime: immovable; nobody may wait when it is destroyed. Not thread-safe.
/// Source: trio.StrictFIFOLock.
class strict_fifo_mutex : mutex {
public:
    strict_fifo_mutex() noexcept = default;

    using mutex::lock;
    using mutex::locked;
    using mutex::statistics;
    using mutex::try_lock;
    using mutex::unlock;
};

}  // namespace tombolo
