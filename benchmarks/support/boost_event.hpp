#pragma once

#include <boost/fiber/condition_variable.hpp>
#include <boost/fiber/mutex.hpp>

#include <chrono>
#include <mutex>

namespace bench {

/// An event that resets itself, out of what Boost.Fiber has for waking a fiber: a mutex, a flag, a condition variable.
class boost_event {
public:
    void set() {
        {
            const std::lock_guard lock{mutex_};
            set_ = true;
        }
        changed_.notify_one();
    }

    void wait() {
        std::unique_lock lock{mutex_};
        changed_.wait(lock, [this] { return set_; });
        set_ = false;
    }

    /// False when the time was up first.
    bool wait_for(std::chrono::nanoseconds limit) {
        std::unique_lock lock{mutex_};
        const bool was_set = changed_.wait_for(lock, limit, [this] { return set_; });
        set_ = false;
        return was_set;
    }

private:
    boost::fibers::mutex mutex_;
    boost::fibers::condition_variable changed_;
    bool set_ = false;
};

}  // namespace bench
