#pragma once

#include <tombolo/fibers/guest_host.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <thread>
#include <utility>

#include <poll.h>

// Event loops as a program might have one of its own, to host guest runs.
namespace tombolo::testing {

/// A queue of functions and nothing else. `HasOwnSoon`: it tells its own thread's calls from those of others.
template <bool HasOwnSoon>
class basic_posting_loop final : public lowlevel::posting_host {
public:
    void run_soon_threadsafe(unique_function<void()> f) override {
        const std::lock_guard lock(mutex_);
        if (std::this_thread::get_id() == home_)
            ++calls_from_home;
        else
            ++calls_from_elsewhere;
        if (refuse_soon && std::this_thread::get_id() == home_) throw std::runtime_error("the queue is full");
        queue_.push_back(std::move(f));
        something_.notify_one();
    }
    void run_soon(unique_function<void()> f) override {
        if (!HasOwnSoon) return run_soon_threadsafe(std::move(f));
        EXPECT_EQ(std::this_thread::get_id(), home_) << "run_soon is for the host's own thread";
        const std::lock_guard lock(mutex_);
        ++soon_calls;
        if (refuse_soon) throw std::runtime_error("the queue is full");
        queue_.push_back(std::move(f));
    }

    /// What the host's own code wants called.
    void post(unique_function<void()> f) {
        const std::lock_guard lock(mutex_);
        queue_.push_back(std::move(f));
        something_.notify_one();
    }

    /// Turns until stop().
    void turn_until_stopped() {
        while (!stopped_) {
            std::unique_lock lock(mutex_);
            ASSERT_TRUE(something_.wait_for(lock, std::chrono::seconds(20), [&] { return !queue_.empty(); }))
                << "nobody calls the host any more";
            unique_function<void()> next = std::move(queue_.front());
            queue_.pop_front();
            lock.unlock();
            if (before_each) before_each();
            next();
        }
        stopped_ = false;
    }
    void stop() noexcept { stopped_ = true; }
    void take_back_stop() noexcept { stopped_ = false; }
    /// Forgets what was posted.
    void drop_everything() noexcept {
        std::deque<unique_function<void()>> dropped;
        const std::lock_guard lock(mutex_);
        std::swap(dropped, queue_);
    }

    /// How often the guest wanted a turn at once, and a turn because something had happened.
    int hurries() const {
        const std::lock_guard lock(mutex_);
        return soon_calls + calls_from_home;
    }
    int events() const {
        const std::lock_guard lock(mutex_);
        return calls_from_elsewhere;
    }

    unique_function<void()> before_each;
    int soon_calls = 0;
    int calls_from_home = 0;
    int calls_from_elsewhere = 0;
    bool refuse_soon = false;  ///< throw from now on, where the guest can hear it

private:
    mutable std::mutex mutex_;
    std::condition_variable something_;
    std::deque<unique_function<void()>> queue_;
    std::thread::id home_ = std::this_thread::get_id();
    bool stopped_ = false;
};

using posting_loop = basic_posting_loop<true>;
using bare_posting_loop = basic_posting_loop<false>;

/// A loop that can watch a descriptor and a timer. One guest at a time.
class watching_loop final : public lowlevel::watching_host {
public:
    void open(int descriptor, unique_function<void()> wake) override {
        EXPECT_FALSE(wake_) << "opened twice";
        descriptor_ = descriptor;
        wake_ = std::move(wake);
    }
    void wake_soon() override {
        ++soon_calls;
        if (refuse_soon) throw std::runtime_error("the queue is full");
        soon_ = true;
    }
    void wake_after(duration timeout) override {
        if (refuse_soon) throw std::runtime_error("the queue is full");
        wake_at_.reset();
        if (timeout != duration::max()) wake_at_ = std::chrono::steady_clock::now() + timeout;
    }
    void close() noexcept override {
        descriptor_ = -1;
        wake_ = nullptr;
        soon_ = false;
        wake_at_.reset();
    }

    /// Callable from the host's thread only, unlike posting_loop's.
    void post(unique_function<void()> f) { queue_.push_back(std::move(f)); }

    void turn_until_stopped() {
        while (!stopped_) turn();
        stopped_ = false;
    }
    void stop() noexcept { stopped_ = true; }
    void take_back_stop() noexcept { stopped_ = false; }
    void drop_everything() noexcept {
        queue_.clear();
        wake_ = nullptr;
    }

    int hurries() const { return soon_calls; }
    int events() const { return events_; }

    int wakes = 0;
    int soon_calls = 0;
    bool refuse_soon = false;
    bool nags = false;  ///< wakes its guest all the time

private:
    void turn() {
        if (!queue_.empty()) {
            unique_function<void()> next = std::move(queue_.front());
            queue_.pop_front();
            next();
            if (stopped_) return;
        }
        pollfd entry{descriptor_, POLLIN, 0};
        const int ready = ::poll(&entry, 1, soon_ || nags || !queue_.empty() ? 0 : milliseconds_to_wait());
        const bool due = wake_at_ && std::chrono::steady_clock::now() >= *wake_at_;
        ASSERT_TRUE(ready > 0 || due || soon_ || nags || !queue_.empty()) << "nobody wakes the host any more";
        if (due) wake_at_.reset();
        if (!soon_ && ready > 0) ++events_;
        if ((std::exchange(soon_, false) || ready > 0 || due || nags) && wake_) {
            ++wakes;
            wake_();
        }
    }
    int milliseconds_to_wait() const {
        if (!wake_at_) return 20'000;
        const auto left =
            std::chrono::ceil<std::chrono::milliseconds>(*wake_at_ - std::chrono::steady_clock::now()).count();
        return static_cast<int>(std::clamp<long>(left, 0, 20'000));
    }

    int descriptor_ = -1;
    unique_function<void()> wake_;
    bool soon_ = false;
    std::optional<std::chrono::steady_clock::time_point> wake_at_;
    std::deque<unique_function<void()>> queue_;
    bool stopped_ = false;
    int events_ = 0;
};

}  // namespace tombolo::testing
