#include "test/fibers/guest_runs.hpp"
#include "test/support/descriptors.hpp"

#include <tombolo/fibers/cancel_scope.hpp>
#include <tombolo/fibers/checkpoint.hpp>
#include <tombolo/fibers/nursery.hpp>
#include <tombolo/fibers/run_token.hpp>
#include <tombolo/fibers/timeouts.hpp>
#include <tombolo/fibers/wait_fd.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

// Which of its host's functions a guest calls, when, and from which thread: G3, G4, C-12.
namespace tombolo::testing {
namespace {

using namespace std::chrono_literals;

/// Sleeps and waits of all kinds, busy stretches in between.
void mixed_program() {
    open_nursery([](nursery& n) {
        const open_pipe pipe;
        n.start_soon([&] {
            for (int i = 0; i < 20; ++i) {
                sleep_for(100us);
                put(pipe.writer, "x");
            }
        });
        n.start_soon([] {
            for (int i = 0; i < 5'000; ++i) checkpoint();
        });
        for (std::size_t got = 0; got < 20;) {
            lowlevel::wait_readable(pipe.reader.get());
            got += take(pipe.reader).size();
        }
    });
}

/// Keeps the books on every function that the guest hands out.
template <bool HasOwnSoon>
class bookkeeping_loop final : public lowlevel::posting_host {
public:
    void run_soon_threadsafe(unique_function<void()> f) override {
        const std::lock_guard lock(books);
        (std::this_thread::get_id() == home ? threadsafe_at_home : threadsafe_elsewhere)++;
        account_for();
        loop.post(std::move(f));
    }
    void run_soon(unique_function<void()> f) override {
        if (!HasOwnSoon) return posting_host::run_soon(std::move(f));
        const std::lock_guard lock(books);
        (std::this_thread::get_id() == home ? soon_at_home : soon_elsewhere)++;
        account_for();
        loop.post(std::move(f));
    }
    void host_a_guest() {
        auto guest = lowlevel::start_guest_run(mixed_program, *this, [&](outcome<void> how) {
            EXPECT_TRUE(how.has_value());
            loop.stop();
        });
        // What the loop calls is counted off before it is called.
        loop.before_each = [&] {
            const std::lock_guard lock(books);
            --outstanding;
        };
        loop.turn_until_stopped();
    }

    posting_loop loop;
    std::thread::id home = std::this_thread::get_id();
    std::mutex books;
    int threadsafe_at_home = 0;
    int threadsafe_elsewhere = 0;
    int soon_at_home = 0;
    int soon_elsewhere = 0;
    int outstanding = 0;
    int most_outstanding = 0;

private:
    void account_for() { most_outstanding = std::max(most_outstanding, ++outstanding); }
};

// G4
TEST(guest_hooks, are_run_soon_at_home_and_run_soon_threadsafe_elsewhere) {
    bookkeeping_loop<true> host;
    host.host_a_guest();
    EXPECT_EQ(host.threadsafe_at_home, 0);
    EXPECT_GT(host.threadsafe_elsewhere, 0);
    EXPECT_GT(host.soon_at_home, 0);
    EXPECT_EQ(host.soon_elsewhere, 0);
}

// G4
TEST(guest_hooks, are_run_soon_threadsafe_everywhere_in_a_host_without_run_soon) {
    bookkeeping_loop<false> host;
    host.host_a_guest();
    EXPECT_GT(host.threadsafe_at_home, 0);
    EXPECT_GT(host.threadsafe_elsewhere, 0);
    EXPECT_EQ(host.soon_at_home + host.soon_elsewhere, 0);
}

// C-12
TEST(guest_hooks, have_one_callback_outstanding_at_a_time) {
    bookkeeping_loop<true> host;
    host.host_a_guest();
    EXPECT_EQ(host.most_outstanding, 1);
    EXPECT_EQ(host.outstanding, 0);
}

// Host code that wakes a guest again and again, and events that come at the same time.
template <class Host>
class guests_between_two_fires : public guest_runs<Host> {};
TYPED_TEST_SUITE(guests_between_two_fires, every_host);
TYPED_TEST(guests_between_two_fires, lose_nothing) {
    const open_pipe pipe;
    const auto how = this->host_guest([&] {
        cancel_scope scope;
        int turns = 0;
        open_nursery([&](nursery& n) {
            n.start_soon([&] { static_cast<void>(scope.run([] { sleep_forever(); })); });
            for (int i = 0; i < 200; ++i) {
                this->in_its_sleep([&] {
                    put(pipe.writer, "x");
                    scope.deadline(now() + 1h);
                    ++turns;
                });
                lowlevel::wait_readable(pipe.reader.get());
                take(pipe.reader);
            }
            n.cancel_scope().cancel();
        });
        return turns;
    });
    EXPECT_EQ(how.value(), 200);
}

/// A watching loop that writes down what it is asked for.
class recording_watcher final : public lowlevel::watching_host {
public:
    void open(int descriptor, unique_function<void()> wake) override {
        at_home();
        ++opens;
        inner.open(descriptor, [this, wake = std::move(wake)]() mutable {
            recording_watcher& self = *this;  // close() destroys this very function
            self.in_wake = true;
            wake();
            self.in_wake = false;
        });
    }
    void wake_soon() override {
        at_home();
        inner.wake_soon();
    }
    void wake_after(duration timeout) override {
        at_home();
        timeouts.push_back(timeout);
        inner.wake_after(timeout);
    }
    void close() noexcept override {
        at_home();
        ++closes;
        closed_in_wake = in_wake;
        inner.close();
    }

    watching_loop inner;
    int opens = 0;
    int closes = 0;
    bool closed_in_wake = false;
    bool in_wake = false;
    std::vector<duration> timeouts;

private:
    void at_home() const { EXPECT_EQ(std::this_thread::get_id(), home_); }
    std::thread::id home_ = std::this_thread::get_id();
};

TEST(guest_watches, are_opened_and_closed_once_on_the_host_s_thread) {
    recording_watcher host;
    auto guest = lowlevel::start_guest_run(mixed_program, host, [&](outcome<void> how) {
        EXPECT_TRUE(how.has_value());
        EXPECT_EQ(host.closes, 1) << "done comes last";
        host.inner.stop();
    });
    EXPECT_EQ(host.opens, 1);
    host.inner.turn_until_stopped();
    EXPECT_EQ(host.opens, 1);
    EXPECT_EQ(host.closes, 1);
    EXPECT_TRUE(host.closed_in_wake);
}

TEST(guest_watches, ask_for_the_time_until_the_next_deadline) {
    recording_watcher host;
    auto guest = lowlevel::start_guest_run(
        [] {
            sleep_for(2ms);
            sleep_for(1ms);
        },
        host, [&](outcome<void>) { host.inner.stop(); });
    host.inner.turn_until_stopped();
    ASSERT_GE(host.timeouts.size(), 2U);
    EXPECT_GT(host.timeouts.front(), 0ns);
    EXPECT_LE(host.timeouts.front(), 2ms);
    EXPECT_LE(host.timeouts.back(), 1ms);
}

TEST(guest_watches, take_a_timer_back_and_do_not_do_so_twice) {
    recording_watcher host;
    auto guest = lowlevel::start_guest_run(
        [] {
            const open_pipe pipe;
            const auto wake_with = [&](auto&& f) {
                const lowlevel::run_token token = lowlevel::current_run_token();
                const std::jthread other([&] { token.run_sync_soon([&] { put(pipe.writer, "x"); }); });
                f();
                take(pipe.reader);
            };
            for (int i = 0; i < 3; ++i)
                wake_with([&] { EXPECT_TRUE(move_on_after(1h, [&] { lowlevel::wait_readable(pipe.reader.get()); })); });
            for (int i = 0; i < 3; ++i) wake_with([&] { lowlevel::wait_readable(pipe.reader.get()); });
        },
        host, [&](outcome<void>) { host.inner.stop(); });
    host.inner.turn_until_stopped();
    const auto never = std::ranges::find(host.timeouts, duration::max());
    EXPECT_EQ(
        std::find(never == host.timeouts.end() ? never : never + 1, host.timeouts.end(), duration::max()),
        host.timeouts.end());
}

}  // namespace
}  // namespace tombolo::testing
