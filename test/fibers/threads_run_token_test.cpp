#include "test/fibers/thrown.hpp"

#include <tombolo/testing/test.hpp>
#include <tombolo/tombolo.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <latch>
#include <memory>
#include <numeric>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

namespace {

namespace tb = tombolo;
using namespace std::chrono_literals;
using tb::lowlevel::current_run_token;
using tb::lowlevel::run_token;

// Real time, and far more of it than the test needs: a lost wake-up fails instead of hanging.
constexpr auto patience = 60s;

// Waits, on the run's thread, until calls have counted up to a number.
class countdown {
public:
    explicit countdown(std::size_t calls) : left_(calls) {}
    void count() {
        if (--left_ == 0) {
            lot_.unpark_all();
        }
    }
    void wait() {
        tb::fail_after(patience, [&] { wait_for_ever(); });
    }
    void wait_for_ever() {
        while (left_ > 0) {
            lot_.park();
        }
    }

private:
    std::size_t left_;
    tb::lowlevel::parking_lot lot_;
};

// case 49
TEST(threads_run_token, loses_no_call_of_many_threads_and_keeps_the_order_of_each) {
    constexpr std::size_t threads = 4;
    constexpr int calls = 3'000;
    std::vector<std::vector<int>> called(threads);
    tb::run([&] {
        countdown all(threads * calls);
        std::vector<std::jthread> posters;
        for (std::vector<int>& mine : called) {
            posters.emplace_back([&, token = current_run_token()] {
                for (int i = 0; i < calls; ++i) {
                    token.run_sync_soon([&, i] {
                        mine.push_back(i);
                        all.count();
                    });
                }
            });
        }
        all.wait();
    });
    std::vector<int> expected(calls);
    std::iota(expected.begin(), expected.end(), 0);
    for (const std::vector<int>& mine : called) {
        EXPECT_EQ(mine, expected);
    }
}

// case 49
TEST(threads_run_token, loses_none_of_a_thousand_calls_that_pile_up_while_the_loop_is_busy) {
    constexpr int calls = 1'000;
    std::vector<int> called;
    tb::run([&] {
        countdown all(calls);
        std::latch busy(1);
        std::latch piled_up(1);
        const run_token token = current_run_token();
        const std::jthread poster([&, token] {
            token.run_sync_soon([&] {
                busy.count_down();
                piled_up.wait();
            });
            busy.wait();
            for (int i = 0; i < calls; ++i) {
                token.run_sync_soon([&, i] {
                    called.push_back(i);
                    all.count();
                });
            }
            piled_up.count_down();
        });
        all.wait();
    });
    std::vector<int> expected(calls);
    std::iota(expected.begin(), expected.end(), 0);
    EXPECT_EQ(called, expected);
}

// L24
TEST(threads_run_token, wakes_a_run_that_sleeps_every_time) {
    constexpr int rounds = 500;
    tb::run([&] {
        countdown all(rounds);
        const std::jthread poster([&, token = current_run_token()] {
            for (int i = 0; i < rounds; ++i) {
                std::atomic<bool> called = false;
                token.run_sync_soon([&] {
                    all.count();
                    called = true;
                    called.notify_one();
                });
                called.wait(false);
            }
        });
        all.wait();
    });
}

// case 46
TEST(threads_run_token, merges_keyed_calls_of_many_threads_and_loses_no_key) {
    constexpr std::size_t threads = 4;
    constexpr std::size_t keys = 200;
    std::vector<int> called(keys);
    tb::run([&] {
        countdown all(threads);
        std::vector<std::jthread> posters;
        for (std::size_t t = 0; t < threads; ++t) {
            posters.emplace_back([&, token = current_run_token()] {
                for (int& key : called) {
                    token.run_sync_soon([&key] { ++key; }, {.idempotent = &key});
                }
                token.run_sync_soon([&] { all.count(); });
            });
        }
        all.wait();
    });
    for (const int times : called) {
        EXPECT_GE(times, 1);
        EXPECT_LE(times, static_cast<int>(threads));
    }
}

// L23
TEST(threads_run_token, makes_every_accepted_call_when_the_run_ends_under_the_posters) {
    const std::vector<char> keys(1'000);
    for (int repetition = 0; repetition < 20; ++repetition) {
        std::atomic<int> accepted = 0;
        std::atomic<int> refused = 0;
        std::atomic<int> made = 0;
        std::vector<std::jthread> posters;
        const auto post_until_refused = [&](const run_token& token) {
            try {
                for (;; ++accepted) {
                    token.run_sync_soon([&] { ++made; });
                    // Threads that flood a run make its passes as long as their backlog.
                    while (accepted - made > 100) {
                        std::this_thread::yield();
                    }
                }
            } catch (const tb::run_finished&) {
                ++refused;
            }
        };
        const auto post_every_key = [&](const run_token& token) {
            try {
                for (const char& key : keys) {
                    token.run_sync_soon([&] { ++made; }, {.idempotent = &key});
                    ++accepted;
                }
            } catch (const tb::run_finished&) {}
        };
        tb::run([&] {
            countdown some(10);
            posters.emplace_back([&, token = current_run_token()] { post_until_refused(token); });
            posters.emplace_back([&, token = current_run_token()] { post_until_refused(token); });
            posters.emplace_back([&, token = current_run_token()] { post_every_key(token); });
            posters.emplace_back([&, token = current_run_token()] {
                for (int i = 0; i < 10; ++i) {
                    token.run_sync_soon([&] { some.count(); });
                }
            });
            some.wait();
        });
        posters.clear();
        EXPECT_EQ(made.load(), accepted.load());
        EXPECT_EQ(refused.load(), 2);
    }
}

TEST(threads_run_token, may_be_dropped_by_another_thread_after_its_run) {
    std::jthread last_owner;
    std::atomic<bool> ended = false;
    auto owned = std::make_shared<int>(1);
    tb::run([&] {
        last_owner = std::jthread([&ended, owned, token = std::make_optional(current_run_token())]() mutable {
            ended.wait(false);
            EXPECT_THROW(token->run_sync_soon([owned] {}), tb::run_finished);
            token.reset();
        });
    });
    ended = true;
    ended.notify_one();
    last_owner.join();
    EXPECT_EQ(owned.use_count(), 1);
}

TEST(threads_run_token, carries_a_result_from_a_thread_to_a_parked_task) {
    const int got = tb::run([] {
        tb::task& self = tb::lowlevel::current_task();
        const std::jthread worker([&self, token = current_run_token()] {
            // The call is made by the run's thread, which is free only when the task has parked.
            token.run_sync_soon([&self] { tb::lowlevel::reschedule(self, tb::outcome<int>(42)); });
        });
        return tb::fail_after(patience, [] {
            return tb::lowlevel::park<int>(
                [](const tb::lowlevel::raise_cancel&) { return tb::lowlevel::abort::succeeded; });
        });
    });
    EXPECT_EQ(got, 42);
}

TOMBOLO_TEST(threads_run_token, leaves_nothing_behind_when_it_has_woken_a_run_that_slept) {
    countdown call(1);
    const std::jthread poster([&, token = current_run_token()] { token.run_sync_soon([&] { call.count(); }); });
    call.wait_for_ever();
}

}  // namespace
