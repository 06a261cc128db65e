#pragma once

#include <tombolo/fibers/nursery.hpp>
#include <tombolo/testing/wait_all_tasks_blocked.hpp>

#include <functional>

namespace tombolo::testing {

/// Calls `wake` in another task when everybody waits, beside `main`.
inline void with_waker(const std::function<void()>& wake, const std::function<void()>& main) {
    open_nursery([&](nursery& n) {
        n.start_soon([&] {
            wait_all_tasks_blocked();
            wake();
        });
        main();
    });
}

}  // namespace tombolo::testing
