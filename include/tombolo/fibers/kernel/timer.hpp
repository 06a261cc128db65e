#pragma once

#include <tombolo/base/time.hpp>

#include <cstddef>

namespace tombolo::kernel {

/// One entry of a run's deadline heap, embedded in what waits for it (a cancel scope, a sleep). Plumbing: it is public
/// only because cancel scopes embed it.
struct timer {
    using expire_fn = void (*)(timer&) noexcept;

    timer(void* of, expire_fn on_expiry, time_point at = time_point::max()) noexcept
        : when(at), owner(of), expire(on_expiry) {}
    timer(const timer&) = delete;
    timer& operator=(const timer&) = delete;

    static constexpr std::size_t not_registered = static_cast<std::size_t>(-1);

    time_point when;
    void* owner;
    /// Runs between batches once `when` has passed and the timer has left the heap. May only make tasks runnable.
    expire_fn expire;
    /// Invariant: heap[slot] is this timer, or slot is not_registered.
    std::size_t slot = not_registered;
};

}  // namespace tombolo::kernel
