#pragma once

#include <boost/fiber/condition_variable.hpp>
#include <boost/fiber/mutex.hpp>

#include <mutex>

namespace bench {

/// A semaphore out of what Boost.Fiber has: a mutex, a count, a condition variable.
class boost_semaphore {
public:
    explicit boost_semaphore(int initial) : value_(initial) {}

    void acquire() {
        std::unique_lock lock{mutex_};
        changed_.wait(lock, [this] { return value_ > 0; });
        --value_;
    }

    bool try_acquire() {
        const std::lock_guard lock{mutex_};
        if (value_ == 0) {
            return false;
        }
        --value_;
        return true;
    }

    void release() {
        {
            const std::lock_guard lock{mutex_};
            ++value_;
        }
        changed_.notify_one();
    }

private:
    boost::fibers::mutex mutex_;
    boost::fibers::condition_variable changed_;
    int value_;
};

}  // namespace bench
