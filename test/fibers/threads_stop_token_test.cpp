#include <tombolo/fibers/cancel_scope.hpp>
#include <tombolo/fibers/checkpoint.hpp>
#include <tombolo/fibers/nursery.hpp>
#include <tombolo/fibers/run.hpp>
#include <tombolo/fibers/stop_token.hpp>
#include <tombolo/fibers/timeouts.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <latch>
#include <mutex>
#include <optional>
#include <stop_token>
#include <thread>
#include <vector>

// Stop tokens between a run and other threads.

namespace tombolo::testing {
namespace {

using namespace std::chrono_literals;

TEST(threads_stop_token, another_thread_stops_a_run_that_sleeps_in_the_kernel) {
    std::stop_source source;
    std::jthread stopper;
    run([&] {
        EXPECT_FALSE(run_with_stop_token(source.get_token(), [&] {
            stopper = std::jthread([&] { source.request_stop(); });
            sleep_for(24h);
        }));
        checkpoint();
    });
}

TEST(threads_stop_token, a_jthread_runs_a_run_that_ends_with_it) {
    std::latch begun(1);
    bool finished = true;
    {
        const std::jthread island([&](const std::stop_token& token) {
            finished = run([&] {
                return run_with_stop_token(token, [&] {
                    begun.count_down();
                    sleep_forever();
                });
            });
        });
        begun.wait();
    }
    EXPECT_FALSE(finished);
}

TEST(threads_stop_token, requests_that_race_with_the_end_of_the_body_reach_it_or_nobody) {
    for (int round = 0; round < 200; ++round) {
        std::stop_source source;
        std::atomic<bool> go = false;
        const std::jthread stopper([&] {
            go.wait(false);
            source.request_stop();
        });
        run([&] {
            bool finished = true;
            open_nursery([&](nursery& n) {
                for (int i = 0; i < 3; ++i)
                    n.start_soon([&] {
                        run_with_stop_token(source.get_token(), [&] {
                            for (int j = 0; j < round % 7; ++j) checkpoint();
                        });
                    });
                finished = run_with_stop_token(source.get_token(), [&] {
                    go = true;
                    go.notify_one();
                    for (int j = 0; j < round % 5; ++j) checkpoint();
                });
            });
            checkpoint();
            EXPECT_TRUE(finished || source.stop_requested());
        });
    }
}

TEST(threads_stop_token, requests_that_come_after_the_run_find_nobody) {
    std::stop_source source;
    cancel_scope scope;
    std::optional<cancel_on_stop> link;
    run([&] { link.emplace(scope, source.get_token()); });
    std::jthread([&] { source.request_stop(); }).join();
    EXPECT_FALSE(scope.cancel_called());
    link.reset();
}

TEST(threads_stop_token, a_cancelled_scope_ends_waits_of_other_threads) {
    std::mutex mutex;
    std::condition_variable_any never_notified;
    std::latch waiting(2);
    std::vector<std::jthread> waiters;
    run([&] {
        cancel_scope scope;
        const scope_stop_source stop(scope);
        for (int i = 0; i < 2; ++i)
            waiters.emplace_back([&, token = stop.get_token()] {
                std::unique_lock lock(mutex);
                waiting.count_down();
                EXPECT_FALSE(never_notified.wait(lock, token, [] { return false; }));
            });
        EXPECT_FALSE(scope.run([&] {
            waiting.wait();
            scope.deadline(now());
            sleep_forever();
        }));
    });
    waiters.clear();
}

TEST(threads_stop_token, tokens_may_be_used_and_dropped_on_other_threads_while_the_scope_ends) {
    for (int round = 0; round < 100; ++round) {
        std::optional<std::jthread> user;
        run([&] {
            cancel_scope scope;
            const scope_stop_source stop(scope);
            user.emplace([token = stop.get_token()] {
                std::atomic<bool> called = false;
                const std::stop_callback callback(token, [&] { called = true; });
                EXPECT_TRUE(!called || token.stop_requested());
            });
            if (round % 2 == 0) scope.cancel();
            scope.run([] { checkpoint(); });
        });
    }
}

}  // namespace
}  // namespace tombolo::testing
