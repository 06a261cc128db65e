#pragma once

#include <tombolo/fibers/capacity_limiter.hpp>
#include <tombolo/fibers/channel.hpp>
#include <tombolo/fibers/checkpoint.hpp>
#include <tombolo/fibers/event.hpp>
#include <tombolo/fibers/mutex.hpp>
#include <tombolo/fibers/nursery.hpp>
#include <tombolo/fibers/park.hpp>
#include <tombolo/fibers/parking_lot.hpp>
#include <tombolo/fibers/semaphore.hpp>
#include <tombolo/fibers/timeouts.hpp>
#include <tombolo/fibers/wait_fd.hpp>
#include <tombolo/testing/wait_all_tasks_blocked.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <string>
#include <vector>

// Every function that may block, for tests of places where none may.
namespace tombolo::testing {

struct blocking_call {
    std::string name;  ///< as the error text has to say it
    std::function<void()> make;
};

/// Calls that would block if they were let. What they use outlives them.
inline std::vector<blocking_call> blocking_calls() {
    using namespace std::chrono_literals;
    static lowlevel::parking_lot lot;
    static event never;
    static mutex free_mutex;
    static semaphore one(1), none(0);
    static capacity_limiter limiter(1);
    static channel_ends<int> ends = open_channel<int>(1);
    return {
        {"checkpoint", [] { checkpoint(); }},
        {"checkpoint_if_cancelled", [] { lowlevel::checkpoint_if_cancelled(); }},
        {"cancel_shielded_checkpoint", [] { lowlevel::cancel_shielded_checkpoint(); }},
        {"sleep_for", [] { sleep_for(0s); }},
        {"sleep_for", [] { sleep_for(1s); }},
        {"sleep_until", [] { sleep_until(time_point::min()); }},
        {"sleep_until", [] { sleep_until(time_point::max()); }},
        {"sleep_forever", [] { sleep_forever(); }},
        {"park", [] { lowlevel::park([](const lowlevel::raise_cancel&) { return lowlevel::abort::succeeded; }); }},
        {"parking_lot::park", [] { lot.park(); }},
        {"wait_readable", [] { lowlevel::wait_readable(0); }},
        {"wait_writable", [] { lowlevel::wait_writable(1); }},
        {"open_nursery", [] { open_nursery([](nursery&) { ADD_FAILURE() << "the body was called"; }); }},
        {"event::wait", [] { never.wait(); }},
        {"mutex::lock", [] { free_mutex.lock(); }},
        {"semaphore::acquire", [] { one.acquire(); }},
        {"semaphore::acquire", [] { none.acquire(); }},
        {"capacity_limiter::acquire", [] { limiter.acquire(); }},
        {"sender::send", [] { ends.tx.send(1); }},
        {"receiver::receive", [] { ends.rx.receive(); }},
        {"wait_all_tasks_blocked", [] { wait_all_tasks_blocked(); }},
    };
}

}  // namespace tombolo::testing
