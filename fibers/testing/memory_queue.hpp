#pragma once

#include <tombolo/base/bytes.hpp>
#include <tombolo/fibers/parking_lot.hpp>

#include <cstddef>
#include <string>

namespace tombolo::kernel {

/// The bytes that lie in a memory stream, without a limit.
class memory_queue {
public:
    /// Checkpoint: never. Throws: closed_resource, also when there is nothing to put.
    void put(const_bytes bytes, const char* what);
    /// Nothing will be put any more; what is there can be taken.
    void end() noexcept;
    /// Nobody will take any more; what is there is gone.
    void abandon() noexcept;

    /// Whether there are bytes, or there will be none.
    bool is_ready() const noexcept { return ended_ || size() != 0; }
    bool is_abandoned() const noexcept { return abandoned_; }
    std::size_t size() const noexcept { return bytes_.size() - taken_; }
    std::size_t take(mutable_bytes into) noexcept;
    std::string take(std::size_t max_bytes);

    /// Checkpoint: always. Cancellation: ends the wait.
    void wait_until_ready(const char* what);

    /// Whether a task is taking.
    bool in_use = false;

private:
    // Invariants:
    // 1. Those who wait in takers_ were not ready when they began to wait, or are about to run.
    // 2. abandoned_ => ended_ and size() == 0.
    std::string bytes_;
    std::size_t taken_ = 0;  ///< how many at the beginning of bytes_ are no longer in the queue
    lowlevel::parking_lot takers_;
    bool ended_ = false;
    bool abandoned_ = false;
};

}  // namespace tombolo::kernel
