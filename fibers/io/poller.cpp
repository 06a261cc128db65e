#include "fibers/io/poller.hpp"

#include "fibers/context/sanitizer.hpp"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <ctime>
#include <system_error>

#include <sys/epoll.h>

namespace tombolo::kernel {

namespace {

using namespace std::chrono_literals;

/// Linux 5.11 and later wait with nanoseconds; before that, milliseconds rounded up.
#if defined(TOMBOLO_TSAN)
// It holds signals back until a call that it knows to block, and this one it does not know: they would never come.
std::atomic<bool> has_epoll_pwait2{false};
#else
std::atomic<bool> has_epoll_pwait2{true};
#endif

int wait_events(int epoll, epoll_event* events, duration timeout) noexcept {
    if (has_epoll_pwait2.load(std::memory_order_relaxed) && timeout > 0ns) {
        const std::timespec spec{static_cast<std::time_t>(timeout / 1s), static_cast<long>((timeout % 1s).count())};
        const int n = ::epoll_pwait2(epoll, events, poller::batch, &spec, nullptr);
        if (n >= 0 || (errno != ENOSYS && errno != EPERM)) return n;
        has_epoll_pwait2.store(false, std::memory_order_relaxed);
    }
    return ::epoll_wait(
        epoll, events, poller::batch, static_cast<int>(std::chrono::ceil<std::chrono::milliseconds>(timeout).count()));
}

}  // namespace

void poller::open() {
    const int fd = ::epoll_create1(EPOLL_CLOEXEC);
    if (fd < 0)
        throw std::system_error(errno, std::generic_category(), "tombolo: epoll_create1, to wait for descriptors");
    epoll_.reset(fd);
}

void poller::watch_wake_up(int fd) {
    if (!epoll_) open();
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = fd;
    if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) < 0)
        throw std::system_error(errno, std::generic_category(), "tombolo: epoll_ctl, to watch the run's own wake-up");
}

int poller::arm(int fd, bool read, bool write) noexcept {
    if (!epoll_) {
        const int created = ::epoll_create1(EPOLL_CLOEXEC);
        if (created < 0) return errno;
        epoll_.reset(created);
    }
    epoll_event event{};
    event.events = EPOLLONESHOT | (read ? EPOLLIN | EPOLLRDHUP : 0u) | (write ? EPOLLOUT : 0u);
    event.data.fd = fd;
    // Usually the kernel knows the descriptor from an earlier wait.
    if (::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd, &event) == 0) return 0;
    if (errno != ENOENT) return errno;
    return ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) == 0 ? 0 : errno;
}

void poller::forget(int fd) noexcept {
    if (!epoll_) return;
    epoll_event unused{};
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, &unused);
}

int poller::wait(duration timeout, poll_event (&events)[batch]) {
    if (!epoll_) open();
    epoll_event raw[batch];
    const int n = wait_events(epoll_.get(), raw, std::clamp<duration>(timeout, 0ns, 24h));
    if (n < 0) {
        if (errno == EINTR) return 0;
        throw std::system_error(errno, std::generic_category(), "tombolo: epoll_wait");
    }
    for (int i = 0; i < n; ++i) {
        const unsigned seen = raw[i].events;
        const bool broken = (seen & (EPOLLHUP | EPOLLERR)) != 0;
        events[i] = {raw[i].data.fd, broken || (seen & (EPOLLIN | EPOLLRDHUP)) != 0, broken || (seen & EPOLLOUT) != 0};
    }
    return n;
}

}  // namespace tombolo::kernel
