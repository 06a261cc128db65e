#pragma once

#include <tombolo/base/unique_fd.hpp>

#include <atomic>

namespace tombolo::kernel {

/// How other threads and signal handlers get the attention of a run's thread, asleep or not.
///
/// The run's thread announces that it goes to sleep, looks once more, and sleeps on an eventfd; a poster raises the flag and
/// then writes to the eventfd only if the run has announced its sleep. Both sides use sequentially consistent operations,
/// so at least one of them sees the other.
class wake_up {
public:
    wake_up() = default;
    wake_up(const wake_up&) = delete;
    wake_up& operator=(const wake_up&) = delete;

    /// Callable from: any thread, signal handler.
    void raise() noexcept;

    /// One relaxed load: cheap enough for every batch.
    bool raised() const noexcept { return raised_.load(std::memory_order_relaxed); }
    void lower() noexcept { raised_.store(false, std::memory_order_seq_cst); }

    /// The eventfd; made at the first call, on the run's thread.
    /// Throws: std::system_error.
    int descriptor();

    /// The run's thread is about to sleep. Returns false, and it must not sleep, when the flag is up.
    /// Requires: descriptor() was called.
    bool announce_sleep() noexcept;
    void end_sleep() noexcept { asleep_.store(false, std::memory_order_relaxed); }
    void drain() noexcept;

private:
    std::atomic<bool> raised_{false};
    std::atomic<bool> asleep_{false};
    std::atomic<int> handle_{-1};
    unique_fd owner_;
};

}  // namespace tombolo::kernel
