#include "test/fibers/dispositions.hpp"

#include <tombolo/fibers/run.hpp>
#include <tombolo/fibers/signals.hpp>
#include <tombolo/fibers/timeouts.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <barrier>
#include <chrono>
#include <csignal>
#include <latch>
#include <thread>
#include <vector>

#include <pthread.h>
#include <unistd.h>

// Signals, several threads and several runs.

namespace tombolo::testing {
namespace {

using namespace std::chrono_literals;
using os::open_signal_receiver;
using os::signal_receiver;

TEST(threads_signals, wake_a_run_that_sleeps_in_the_kernel) {
    const counting_handler own(SIGUSR1);
    run([] {
        signal_receiver receiver = open_signal_receiver({SIGUSR1});
        const std::jthread sender([] { ::kill(::getpid(), SIGUSR1); });
        EXPECT_EQ(fail_after(60s, [&] { return receiver.receive(); }), SIGUSR1);
    });
    EXPECT_EQ(handler_of(SIGUSR1), count_call);
    EXPECT_EQ(own.calls(), 0);
}

TEST(threads_signals, reach_the_runs_of_all_threads_whichever_thread_they_are_sent_to) {
    constexpr int runs = 4;
    const counting_handler own(SIGUSR1);
    std::latch opened(runs);
    std::latch first_received(runs);
    std::atomic<int> received = 0;
    std::vector<std::jthread> threads;
    for (int i = 0; i < runs; ++i)
        threads.emplace_back([&] {
            run([&] {
                signal_receiver receiver = open_signal_receiver({SIGUSR1});
                opened.count_down();
                for (int round = 0; round < 2; ++round) {
                    fail_after(60s, [&] { return receiver.receive(); });
                    ++received;
                    first_received.count_down(round == 0 ? 1 : 0);
                }
            });
        });
    opened.wait();
    ::kill(::getpid(), SIGUSR1);
    first_received.wait();
    EXPECT_EQ(received, runs);
    ::pthread_kill(threads[1].native_handle(), SIGUSR1);
    threads.clear();
    EXPECT_EQ(received, 2 * runs);
    EXPECT_EQ(handler_of(SIGUSR1), count_call);
    EXPECT_EQ(own.calls(), 0);
}

// Every signal is received by somebody or met by the program's own handler, whatever opens and closes meanwhile.
TEST(threads_signals, get_lost_nowhere_while_receivers_open_and_close) {
    constexpr int openers = 3;
    constexpr int rounds = 100;
    static std::atomic<int> met = 0;
    const scoped_disposition own(SIGUSR1, [](int) { ++met; });
    std::atomic<int> received = 0;
    std::atomic<bool> stop = false;
    {
        std::vector<std::jthread> threads;
        for (int i = 0; i < openers; ++i)
            threads.emplace_back([&] {
                while (!stop) {
                    run([&] {
                        signal_receiver receiver = open_signal_receiver({SIGUSR1, SIGUSR2});
                        if (receiver.try_receive()) ++received;
                    });
                }
            });
        for (int i = 0; i < rounds; ++i) {
            const int before = met + received;
            ::kill(::getpid(), SIGUSR1);
            while (met + received == before) std::this_thread::yield();
        }
        stop = true;
    }
    EXPECT_GE(met + received, rounds);
    EXPECT_EQ(handler_of(SIGUSR2), SIG_DFL);
    std::raise(SIGUSR1);
    EXPECT_GE(met, 1) << "the handler is the program's own again";
}

TEST(threads_signals, storms_do_not_keep_receivers_from_closing) {
    const scoped_disposition own(SIGUSR1, SIG_IGN);
    std::atomic<bool> stop = false;
    const auto here = ::pthread_self();
    std::jthread storm([&] {
        while (!stop) ::pthread_kill(here, SIGUSR1);
    });
    std::jthread another_storm([&] {
        while (!stop) std::raise(SIGUSR1);
    });
    run([] {
        for (int i = 0; i < 300; ++i) {
            signal_receiver receiver = open_signal_receiver({SIGUSR1});
            EXPECT_EQ(fail_after(60s, [&] { return receiver.receive(); }), SIGUSR1);
        }
    });
    stop = true;
    storm.join();
    another_storm.join();
    EXPECT_EQ(handler_of(SIGUSR1), SIG_IGN);
}

}  // namespace
}  // namespace tombolo::testing
