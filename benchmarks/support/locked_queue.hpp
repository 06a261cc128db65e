#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <mutex>

namespace bench {

/// What threads use for a channel: a bounded queue under a mutex, with a condition variable for either side.
class locked_queue {
public:
    explicit locked_queue(std::size_t capacity) : capacity_(capacity) {}

    /// False when the queue was closed.
    bool push(int value) {
        std::unique_lock lock{mutex_};
        not_full_.wait(lock, [this] { return values_.size() < capacity_ || closed_; });
        if (closed_) {
            return false;
        }
        values_.push_back(value);
        not_empty_.notify_one();
        return true;
    }

    int pop() {
        std::unique_lock lock{mutex_};
        not_empty_.wait(lock, [this] { return !values_.empty(); });
        const int value = values_.front();
        values_.pop_front();
        not_full_.notify_one();
        return value;
    }

    void close() {
        const std::lock_guard lock{mutex_};
        closed_ = true;
        not_full_.notify_all();
    }

private:
    const std::size_t capacity_;
    std::mutex mutex_;
    std::condition_variable not_full_;
    std::condition_variable not_empty_;
    std::deque<int> values_;
    bool closed_ = false;
};

}  // namespace bench
