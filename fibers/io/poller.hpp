#pragma once

#include <tombolo/base/time.hpp>
#include <tombolo/base/unique_fd.hpp>

namespace tombolo::kernel {

struct watched_fd;

struct poll_event {
    watched_fd* watched = nullptr;  ///< set for a descriptor that is registered for good; then `fd` is -1
    int fd = -1;
    bool readable = false;
    bool writable = false;
    bool irregular =
        false;  ///< the other side is gone, there is an error, or urgent data that stops a receive before it
};

/// One epoll instance, opened when it is first needed.
///
/// User descriptors are armed ONESHOT: what the kernel reports once is forgotten there until somebody waits again, so a
/// descriptor that was closed behind our back can cause a spurious wake-up or an error, but no storm of events. Descriptors
/// of our own are registered once, edge-triggered: their owner forgets them before it closes them.
class poller {
public:
    static constexpr int batch = 64;

    /// Watches `fd` for good, level-triggered: the run's own wake-up descriptor. Throws: std::system_error.
    void watch_wake_up(int fd);

    /// Arms `fd` for one event of the given directions. Returns 0 or an errno value.
    [[nodiscard]] int arm(int fd, bool read, bool write) noexcept;
    /// Watches `fd`, which is registered for the first time, for every edge until it is forgotten; `watched` comes with its
    /// events. Returns 0 or an errno value.
    [[nodiscard]] int watch(int fd, watched_fd* watched) noexcept;
    void forget(int fd) noexcept;

    /// Waits at most `timeout` (duration::max(): for ever). Returns the number of events put into `events`; the wake-up
    /// descriptor is reported like any other. An interrupting signal counts as no events.
    /// Throws: std::system_error.
    int wait(duration timeout, poll_event (&events)[batch]);

    bool is_open() const noexcept { return static_cast<bool>(epoll_); }
    /// Readable while wait() would return events; -1 when not open.
    int descriptor() const noexcept { return epoll_.get(); }

private:
    void open();
    int try_open() noexcept;
    unique_fd epoll_;
};

}  // namespace tombolo::kernel
