#pragma once

#include <tombolo/fibers/capacity_limiter.hpp>
#include <tombolo/fibers/parking_lot.hpp>

#include <atomic>
#include <cstddef>
#include <memory>

namespace tombolo::kernel {

/// What a run knows about its to_thread calls. Shared with the threads that perform them, which may outlive the run.
struct thread_calls {
    capacity_limiter limiter{40};
    std::size_t active = 0;  ///< calls that have their token and have neither returned nor been abandoned
    lowlevel::parking_lot until_none;

    /// Threads that are posting their result. The run's end waits for them, so that a thread needs no share of the run's
    /// entry queue to get out of it safely: it gives its token away with the result.
    std::atomic<int> departing{0};
};

/// Those of the current run. Throws: not_in_run.
const std::shared_ptr<thread_calls>& thread_calls_here();

}  // namespace tombolo::kernel
