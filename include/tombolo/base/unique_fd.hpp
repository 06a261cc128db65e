#pragma once

#include <cerrno>
#include <utility>

#include <unistd.h>

namespace tombolo {

// The owner of one open file descriptor, or of none (-1). It only closes: before a descriptor that tasks may be
// waiting on is closed, tell them with lowlevel::notify_closing.
class unique_fd {
public:
    unique_fd() noexcept = default;
    explicit unique_fd(int fd) noexcept : fd_(fd) {}
    unique_fd(unique_fd&& other) noexcept : fd_(other.release()) {}
    unique_fd& operator=(unique_fd&& other) noexcept {
        if (this != &other) {
            reset(other.release());
        }
        return *this;
    }
    ~unique_fd() { reset(); }

    [[nodiscard]] int get() const noexcept { return fd_; }
    explicit operator bool() const noexcept { return fd_ >= 0; }

    // Gives the descriptor away: the caller closes it.
    [[nodiscard]] int release() noexcept { return std::exchange(fd_, -1); }

    // Closes what is owned and owns `fd` instead. Nothing happens when `fd` is owned already. errno is kept, so that an
    // error path may close before it reads errno. A failing close is not retried: the descriptor is gone either way.
    void reset(int fd = -1) noexcept {
        if (fd == fd_) {
            return;
        }
        const int old = std::exchange(fd_, fd);
        if (old >= 0) {
            const int saved_errno = errno;
            ::close(old);
            errno = saved_errno;
        }
    }

private:
    int fd_ = -1;
};

}  // namespace tombolo
