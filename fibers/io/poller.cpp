#include "fibers/io/poller.hpp"

#include "fibers/context/sanitizer.hpp"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdint>
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

/// A number of the user's, told from the address of a watched_fd by its lowest bit.
std::uint64_t key_of(int fd) noexcept { return (static_cast<std::uint64_t>(fd) << 1) | 1; }

int wait_events(int epoll, epoll_event* events, duration timeout) noexcept {
    if (has_epoll_pwait2.load(std::memory_order_relaxed) && timeout > 0ns) {
        const std::timespec spec{static_cast<std::time_t>(timeout / 1s), static_cast<long>((timeout % 1s).count())};
        const bool for_ever = timeout == duration::max();
        const int n = ::epoll_pwait2(epoll, events, poller::batch, for_ever ? nullptr : &spec, nullptr);
        if (n >= 0 || (errno != ENOSYS && errno != EPERM)) return n;
        has_epoll_pwait2.store(false, std::memory_order_relaxed);
    }
    const duration bounded = std::min<duration>(timeout, 24h);
    return ::epoll_wait(
        epoll, events, poller::batch, static_cast<int>(std::chrono::ceil<std::chrono::milliseconds>(bounded).count()));
}

}  // namespace

int poller::try_open() noexcept {
    if (epoll_) return 0;
    epoll_.reset(::epoll_create1(EPOLL_CLOEXEC));
    return epoll_ ? 0 : errno;
}

void poller::open() {
    if (const int error = try_open())
        throw std::system_error(error, std::generic_category(), "tombolo: epoll_create1, to wait for descriptors");
}

void poller::watch_wake_up(int fd) {
    if (!epoll_) open();
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = key_of(fd);
    if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) < 0)
        throw std::system_error(errno, std::generic_category(), "tombolo: epoll_ctl, to watch the run's own wake-up");
}

int poller::arm(int fd, bool read, bool write) noexcept {
    if (const int error = try_open()) return error;
    epoll_event event{};
    event.events = EPOLLONESHOT | (read ? EPOLLIN | EPOLLRDHUP : 0u) | (write ? EPOLLOUT : 0u);
    event.data.u64 = key_of(fd);
    // Usually the kernel knows the descriptor from an earlier wait.
    if (::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd, &event) == 0) return 0;
    if (errno != ENOENT) return errno;
    return ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) == 0 ? 0 : errno;
}

int poller::watch(int fd, watched_fd* watched) noexcept {
    if (const int error = try_open()) return error;
    epoll_event event{};
    event.events = EPOLLET | EPOLLIN | EPOLLPRI | EPOLLRDHUP | EPOLLOUT;
    event.data.ptr = watched;
    if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) == 0) return 0;
    if (errno != EEXIST) return errno;
    // Left over from a wait by number.
    return ::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd, &event) == 0 ? 0 : errno;
}

void poller::forget(int fd) noexcept {
    if (!epoll_) return;
    epoll_event unused{};
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, &unused);
}

int poller::wait(duration timeout, poll_event (&events)[batch]) {
    if (!epoll_) open();
    epoll_event raw[batch];
    const int n = wait_events(epoll_.get(), raw, std::max<duration>(timeout, 0ns));
    if (n < 0) {
        if (errno == EINTR) return 0;
        throw std::system_error(errno, std::generic_category(), "tombolo: epoll_wait");
    }
    for (int i = 0; i < n; ++i) {
        const unsigned seen = raw[i].events;
        const bool broken = (seen & (EPOLLHUP | EPOLLERR)) != 0;
        poll_event& event = events[i];
        event.readable = broken || (seen & (EPOLLIN | EPOLLPRI | EPOLLRDHUP)) != 0;
        event.writable = broken || (seen & EPOLLOUT) != 0;
        event.irregular = broken || (seen & (EPOLLPRI | EPOLLRDHUP)) != 0;
        const bool is_number = (raw[i].data.u64 & 1) != 0;
        event.fd = is_number ? static_cast<int>(raw[i].data.u64 >> 1) : -1;
        event.watched = is_number ? nullptr : static_cast<watched_fd*>(raw[i].data.ptr);
    }
    return n;
}

}  // namespace tombolo::kernel
