#pragma once

#include <tombolo/base/unique_fd.hpp>
#include <tombolo/base/unique_function.hpp>
#include <tombolo/fibers/guest_host.hpp>

#include <chrono>
#include <condition_variable>
#include <ctime>
#include <deque>
#include <mutex>
#include <optional>
#include <utility>

#include <sys/epoll.h>

// The smallest event loops that can host a guest run and still be of use: what a guest costs in them is what it costs.
namespace bench {

/// Watches descriptors and one timer. Every turn looks at all of them.
class watching_loop final : public tombolo::lowlevel::watching_host {
public:
    void open(int descriptor, tombolo::unique_function<void()> wake) override {
        descriptor_ = descriptor;
        wake_ = std::move(wake);
        epoll_event event{};
        event.events = EPOLLIN;
        ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, descriptor, &event);
    }
    void wake_soon() override { soon_ = true; }
    void wake_after(std::chrono::nanoseconds timeout) override {
        wake_at_.reset();
        if (timeout != std::chrono::nanoseconds::max()) {
            wake_at_ = std::chrono::steady_clock::now() + timeout;
        }
    }
    void close() noexcept override {
        ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, descriptor_, nullptr);
        wake_ = nullptr;
        soon_ = false;
        wake_at_.reset();
    }

    void turn_until(const bool& stop) {
        while (!stop) {
            turn();
        }
    }

private:
    void turn() {
        epoll_event events[64];
        const bool soon = std::exchange(soon_, false);
        std::timespec spec{};
        if (!soon && wake_at_) {
            const auto left = std::max<std::chrono::nanoseconds>(
                *wake_at_ - std::chrono::steady_clock::now(), std::chrono::nanoseconds::zero());
            spec = {
                static_cast<std::time_t>(left / std::chrono::seconds{1}),
                static_cast<long>((left % std::chrono::seconds{1}).count())};
        }
        const int ready = ::epoll_pwait2(epoll_.get(), events, 64, soon || wake_at_ ? &spec : nullptr, nullptr);
        const bool due = !soon && ready == 0 && wake_at_ && std::chrono::steady_clock::now() >= *wake_at_;
        if (due) {
            wake_at_.reset();
        }
        if (soon || ready > 0 || due) {
            wake_();
        }
    }

    tombolo::unique_fd epoll_{::epoll_create1(EPOLL_CLOEXEC)};
    int descriptor_ = -1;
    tombolo::unique_function<void()> wake_;
    bool soon_ = false;
    std::optional<std::chrono::steady_clock::time_point> wake_at_;
};

/// Calls the functions of a queue.
class posting_loop final : public tombolo::lowlevel::posting_host {
public:
    void run_soon_threadsafe(tombolo::unique_function<void()> function) override {
        const std::lock_guard lock{mutex_};
        queue_.push_back(std::move(function));
        not_empty_.notify_one();
    }

    void turn_until(const bool& stop) {
        while (!stop) {
            std::unique_lock lock{mutex_};
            not_empty_.wait(lock, [this] { return !queue_.empty(); });
            auto next = std::move(queue_.front());
            queue_.pop_front();
            lock.unlock();
            next();
        }
    }

private:
    std::mutex mutex_;
    std::condition_variable not_empty_;
    std::deque<tombolo::unique_function<void()>> queue_;
};

}  // namespace bench
