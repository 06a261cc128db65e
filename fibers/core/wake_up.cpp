#include "fibers/core/wake_up.hpp"

#include <cerrno>
#include <cstdint>
#include <system_error>

#include <sys/eventfd.h>
#include <unistd.h>

namespace tombolo::kernel {

void wake_up::raise() noexcept {
    raised_.store(true, std::memory_order_seq_cst);
    // The exchange lets only the first of many posters pay for the system call.
    if (asleep_.load(std::memory_order_seq_cst) && asleep_.exchange(false, std::memory_order_seq_cst)) {
        const int saved_errno = errno;
        const std::uint64_t one = 1;
        // A full counter still wakes the reader, so a failed write loses nothing.
        [[maybe_unused]] const auto written = ::write(handle_.load(std::memory_order_relaxed), &one, sizeof one);
        errno = saved_errno;
    }
}

int wake_up::descriptor() {
    if (!owner_) {
        const int fd = ::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
        if (fd < 0) throw std::system_error(errno, std::generic_category(), "tombolo: eventfd, to wake a sleeping run");
        owner_.reset(fd);
        handle_.store(fd, std::memory_order_relaxed);
    }
    return owner_.get();
}

bool wake_up::announce_sleep() noexcept {
    asleep_.store(true, std::memory_order_seq_cst);
    if (raised_.load(std::memory_order_seq_cst)) {
        end_sleep();
        return false;
    }
    return true;
}

void wake_up::drain() noexcept {
    std::uint64_t count = 0;
    [[maybe_unused]] const auto got = ::read(owner_.get(), &count, sizeof count);
}

}  // namespace tombolo::kernel
