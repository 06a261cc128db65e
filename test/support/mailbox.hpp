#pragma once

#include <condition_variable>
#include <mutex>
#include <optional>
#include <utility>

namespace tombolo::testing {

/// One value from one thread to another, which blocks for it. Unlike a std::promise it may be destroyed as soon as get()
/// has returned, while put() is still on its way out.
template <class T = bool>
class mailbox {
public:
    void put(T value = T()) {
        const std::lock_guard lock(mutex_);
        value_.emplace(std::move(value));
        arrived_.notify_all();
    }
    T get() {
        std::unique_lock lock(mutex_);
        arrived_.wait(lock, [&] { return value_.has_value(); });
        return *std::exchange(value_, std::nullopt);
    }
    bool holds_value() {
        const std::lock_guard lock(mutex_);
        return value_.has_value();
    }

private:
    std::mutex mutex_;
    std::condition_variable arrived_;
    std::optional<T> value_;
};

}  // namespace tombolo::testing
