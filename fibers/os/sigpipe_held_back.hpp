#pragma once

#include <cerrno>
#include <csignal>
#include <ctime>

#include <pthread.h>

namespace tombolo::kernel {

/// Holds SIGPIPE back from this thread for its lifetime, around calls that cannot be asked not to raise it. One that the thread had
/// pending before stays pending.
class sigpipe_held_back {
public:
    sigpipe_held_back() noexcept {
        const sigset_t sigpipe = only_sigpipe();
        ::pthread_sigmask(SIG_BLOCK, &sigpipe, &before_);
        if (sigismember(&before_, SIGPIPE) == 0) return;
        sigset_t pending;
        sigpending(&pending);
        was_pending_ = sigismember(&pending, SIGPIPE) == 1;
    }
    sigpipe_held_back(const sigpipe_held_back&) = delete;
    sigpipe_held_back& operator=(const sigpipe_held_back&) = delete;
    ~sigpipe_held_back() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

    /// Passes on what the call returned; after EPIPE the signal is taken away.
    long after(long result) const noexcept {
        if (result >= 0 || errno != EPIPE) return result;
        if (!was_pending_) {
            const sigset_t sigpipe = only_sigpipe();
            constexpr std::timespec at_once{};
            while (::sigtimedwait(&sigpipe, nullptr, &at_once) < 0 && errno == EINTR) {}
        }
        errno = EPIPE;
        return result;
    }

private:
    static sigset_t only_sigpipe() noexcept {
        sigset_t out;
        sigemptyset(&out);
        sigaddset(&out, SIGPIPE);
        return out;
    }

    sigset_t before_;
    bool was_pending_ = false;
};

}  // namespace tombolo::kernel
