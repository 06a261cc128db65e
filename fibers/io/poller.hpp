#pragma once

#include <tombolo/base/time.hpp>
#include <tombolo/base/unique_fd.hpp>

namespace tombolo::kernel {

struct poll_event {
    int fd = -1;
    bool readable = false;
    bool writable = false;
};

/// One epoll instance, opened when it is first needed.
///
/// User descriptors are armed ONESHOT: what the kernel reports once is forgotten there until somebody waits again, so a
/// descriptor that was closed behind our back can cause a spurious wake-up or an error, but no storm of events.
class poller {
public:
    static constexpr int batch = 64;

    /// Watches `fd` for good, level-triggered: the run's own wake-up descriptor. Throws: std::system_error.
    void watch_wake_up(int fd);

    /// Arms `fd` for one event of the given directions. Returns 0 or an errno value.
    [[nodiscard]] int arm(int fd, bool read, bool write) noexcept;
    void forget(int fd) noexcept;

    /// Waits at most `timeout` (duration::max(): 24 hours). Returns the number of events put into `events`; the wake-up
    /// descriptor is reported like any other. An interrupting signal counts as no events.
    /// Throws: std::system_error.
    int wait(duration timeout, poll_event (&events)[batch]);

    bool is_open() const noexcept { return static_cast<bool>(epoll_); }
    /// Readable while wait() would return events; -1 when not open.
    int descriptor() const noexcept { return epoll_.get(); }

private:
    void open();
    unique_fd epoll_;
};

}  // namespace tombolo::kernel
