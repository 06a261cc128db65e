// A program whose event loop is its own, as GUI toolkits have one, and that wants tasks nevertheless: a run becomes the guest
// of the loop. Callbacks and tasks share one thread and may call each other without locks.

#include <tombolo/tombolo.hpp>

#include <algorithm>
#include <chrono>
#include <deque>
#include <iostream>
#include <map>
#include <string>
#include <utility>

#include <poll.h>

using namespace std::chrono_literals;
namespace tb = tombolo;

/// The foreign loop: callbacks soon, callbacks later. What makes it a host is in the second half.
class callback_loop final : public tb::lowlevel::watching_host {
    using clock = std::chrono::steady_clock;

public:
    void call_soon(tb::unique_function<void()> callback) { callbacks_.push_back(std::move(callback)); }
    void call_after(clock::duration delay, tb::unique_function<void()> callback) {
        timers_.emplace(clock::now() + delay, std::move(callback));
    }
    void quit() { quitting_ = true; }

    void turn_until_quit() {
        while (!quitting_) {
            const int timeout = milliseconds_to_sleep();
            pollfd watched{guest_, POLLIN, 0};
            if (::poll(&watched, 1, timeout) > 0) wake_();
            while (!timers_.empty() && timers_.begin()->first <= clock::now())
                call_soon(std::move(timers_.extract(timers_.begin()).mapped()));
            for (auto batch = std::exchange(callbacks_, {}); auto& callback : batch) callback();
        }
    }

    // ---- as the host of one guest
    void open(int descriptor, tb::unique_function<void()> wake) override {
        guest_ = descriptor;
        wake_ = std::move(wake);
    }
    void wake_soon() override {
        call_soon([this] {
            if (wake_) wake_();
        });
    }
    void wake_after(tb::duration timeout) override {
        // An earlier timer is left alone: waking the guest once too often does no harm.
        if (timeout == tb::duration::max()) return;
        call_after(timeout, [this] {
            if (wake_) wake_();
        });
    }
    void close() noexcept override {
        guest_ = -1;
        wake_ = nullptr;
    }

private:
    int milliseconds_to_sleep() const {
        if (!callbacks_.empty()) return 0;
        if (timers_.empty()) return -1;
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(timers_.begin()->first - clock::now());
        return static_cast<int>(std::max(left, 0ms).count());
    }

    std::deque<tb::unique_function<void()>> callbacks_;
    std::multimap<clock::time_point, tb::unique_function<void()>> timers_;
    bool quitting_ = false;

    int guest_ = -1;
    tb::unique_function<void()> wake_;
};

int main() {
    callback_loop loop;
    auto [orders, desk] = tb::open_channel<std::string>(8);
    tb::event closing_time;

    // Callbacks: order something every now and then, and close in the end.
    const auto order = [&](const char* what) { orders.try_send(what); };
    const auto ready = [&](const std::string& what) {
        std::cout << "callback: " << what << " is ready\n";
        if (what == "tea")
            loop.call_after(3ms, [&] { order("cake"); });
        else
            loop.call_after(3ms, [&] { closing_time.set(); });
    };

    // Tasks: wait for orders, take their time over each, and tell the loop.
    const auto shop = [&] {
        int served = 0;
        tb::open_nursery([&](tb::nursery& n) {
            n.start_soon([&] {
                for (const std::string& what : desk) {
                    tb::sleep_for(2ms);
                    std::cout << "task: made " << what << '\n';
                    ++served;
                    loop.call_soon([&ready, what] { ready(what); });
                }
            });
            closing_time.wait();
            std::cout << "task: closing\n";
            n.cancel_scope().cancel("closing time");
        });
        return served;
    };
    const auto done = [&](tb::outcome<int> served) {
        std::cout << "done: served " << std::move(served).value() << '\n';
        loop.quit();
    };
    tb::lowlevel::start_guest_run(shop, loop, done);

    loop.call_soon([&] {
        std::cout << std::boolalpha << "callback: in a run: " << tb::in_run() << ", in a task: " << tb::in_task()
                  << '\n';
        order("tea");
    });
    loop.turn_until_quit();
    std::cout << "a loop like any other again, in a run: " << tb::in_run() << '\n';
}
