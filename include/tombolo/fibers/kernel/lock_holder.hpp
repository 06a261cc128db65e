#pragma once

#include <tombolo/fibers/kernel/this_thread.hpp>

namespace tombolo {

namespace lowlevel {
class lot_owner;
}  // namespace lowlevel

namespace kernel {

/// The first part of a task's record: what the task answers for. Public only so that a free lock is taken and given back
/// inline.
struct lock_holder {
    lowlevel::lot_owner* answers_for = nullptr;  ///< the first of what breaks when the task exits
};

/// The current task where it may block; null elsewhere, also in a task that may not block just now.
inline lock_holder* task_that_may_block() noexcept { return reinterpret_cast<lock_holder*>(this_thread.may_park); }

}  // namespace kernel
}  // namespace tombolo
