#pragma once

#include <tombolo/base/unique_fd.hpp>
#include <tombolo/fibers/checkpoint.hpp>

#include <cerrno>
#include <memory>
#include <utility>

namespace tombolo::kernel {

enum class io_direction : unsigned char { read, write };

struct watched_fd;
struct forget_watched_fd {
    void operator()(watched_fd* watched) const noexcept;
};

/// A non-blocking descriptor that a stream, socket or listener of ours owns: the fast path of waiting. It is registered with
/// the run's poller once, at its first wait, edge-triggered, and stays so until it is closed; every operation is tried
/// before it waits, so that an edge that nobody waited for is not missed.
///
/// Lifetime: belongs to the run in which it first waits, until it is closed or released, or that run ends. Not moved or
/// destroyed while a task is in one of its calls; closed, yes.
class owned_fd {
public:
    owned_fd() noexcept = default;
    /// Makes the descriptor non-blocking. Throws: invalid_descriptor for one that is not open.
    explicit owned_fd(unique_fd fd);
    owned_fd(owned_fd&&) noexcept = default;
    owned_fd& operator=(owned_fd&& other) noexcept;
    ~owned_fd() { close(); }

    int get() const noexcept { return fd_.get(); }
    bool is_open() const noexcept { return static_cast<bool>(fd_); }

    /// Waits for an edge of that direction; it may be spurious, or have come for a state that is over: try again.
    /// Checkpoint: always. Cancellation: ends the wait; the descriptor is untouched.
    /// Throws: busy_resource when another task waits in that direction; closed_resource when it is closed, also meanwhile;
    /// wrong_thread when it belongs to another run; io_error from epoll; cancelled; not_in_task and its kin.
    void wait(io_direction direction, const char* what);

    /// Tries `attempt`, a call in the manner of read(2), and waits whenever it would block. Returns what it returned, or
    /// the negative of errno. An attempt may be left out when it is known to be in vain: see note_exhausted.
    /// Checkpoint: always. Cancellation: before the first attempt and in each wait; an attempt that has succeeded counts.
    /// Throws: as wait().
    template <class Attempt>
    long perform(io_direction direction, const char* what, Attempt attempt) {
        checkpoint_if_cancelled(what);
        require_open(what);
        if (!exhausted(direction)) {
            const long result = attempt_once(attempt);
            if (!would_block(result)) {
                cancel_shielded_checkpoint(what);
                return result;
            }
        }
        for (;;) {
            wait(direction, what);
            require_open(what);
            const long result = attempt_once(attempt);
            if (!would_block(result)) return result;
        }
    }

    /// The attempt under way has moved less than it could have: until the next edge there is nothing to be had, so the next
    /// operation may wait at once. For stream sockets and pipes, which say so by a short count. To be called by the attempt
    /// itself: after a checkpoint the edge may have come.
    void note_exhausted(io_direction direction) noexcept;

    /// Whether a task waits in that direction.
    bool awaited(io_direction direction) const noexcept;

    /// Wakes who waits with closed_resource, forgets the descriptor, closes it. Again: does nothing.
    /// Checkpoint: never.
    void close() noexcept;
    /// close(), but the descriptor lives on with the caller; it stays non-blocking.
    [[nodiscard]] unique_fd release() noexcept;

    /// Throws: closed_resource.
    void require_open(const char* what) const {
        if (!fd_) [[unlikely]]
            refuse_closed(what);
    }

private:
    template <class Attempt>
    static long attempt_once(Attempt& attempt) {
        for (;;) {
            const long result = static_cast<long>(attempt());
            if (result >= 0) return result;
            if (errno != EINTR) return -static_cast<long>(errno);
        }
    }
    static bool would_block(long result) noexcept { return result == -EAGAIN || result == -EWOULDBLOCK; }
    bool exhausted(io_direction direction) const noexcept;
    [[noreturn]] static void refuse_closed(const char* what);

    unique_fd fd_;
    std::unique_ptr<watched_fd, forget_watched_fd> watched_;  ///< null until the first wait
};

}  // namespace tombolo::kernel
