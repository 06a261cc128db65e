#pragma once

#include <tombolo/base/time.hpp>
#include <tombolo/base/unique_fd.hpp>
#include <tombolo/fibers/guest_host.hpp>

#include <atomic>
#include <memory>

namespace tombolo::kernel {

class guest;

/// A cached thread that waits for events in the stead of a posting host, for as long as the guest lives. It only looks
/// at a descriptor and the time, and posts ticks. It sleeps in an epoll of its own, where each wait is armed: starting
/// a wait needs no switch to that thread.
///
/// Invariants:
/// 1. A wait that was armed ends in one tick posted by the thread, or by take_back(): whoever takes armed_ away does it,
/// and owns owner_ from then on.
/// 2. The thread touches the host only while posting_ is set.
class event_watch : public std::enable_shared_from_this<event_watch> {
public:
    /// `descriptor`: an epoll. Throws: std::system_error when there are no descriptors left.
    event_watch(int descriptor, lowlevel::posting_host& host);
    event_watch(const event_watch&) = delete;
    event_watch& operator=(const event_watch&) = delete;

    /// Throws: thread_exhausted.
    void start_thread();

    /// The host gets one tick when the descriptor is readable or `timeout` has passed, or sooner. Host's thread only,
    /// as are the others.
    void arm(std::shared_ptr<guest> owner, duration timeout) noexcept;
    /// Ends the wait without a tick, and gives back what arm() got; null when the thread posts one already, or has.
    std::shared_ptr<guest> take_back() noexcept;
    /// When this returns the thread has no business with the host.
    void disarm() noexcept;
    /// Ends the thread. Requires: disarmed, or never armed.
    void stop() noexcept;

private:
    void serve() noexcept;
    void wait() noexcept;
    void post() noexcept;
    void set_timer(duration timeout) noexcept;

    const int descriptor_;
    lowlevel::posting_host& host_;
    unique_fd epoll_;
    unique_fd timer_;
    bool timer_is_set_ = false;
    std::shared_ptr<guest> owner_;
    std::atomic<bool> armed_{false};
    std::atomic<bool> posting_{false};
    std::atomic<bool> stopping_{false};
};

}  // namespace tombolo::kernel
