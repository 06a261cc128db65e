#include "test/fibers/dispositions.hpp"
#include "test/fibers/interruptible_runs.hpp"

#include <tombolo/fibers/checkpoint.hpp>
#include <tombolo/fibers/instrument.hpp>
#include <tombolo/fibers/nursery.hpp>
#include <tombolo/fibers/signal_subscription.hpp>
#include <tombolo/fibers/signals.hpp>
#include <tombolo/fibers/timeouts.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <csignal>
#include <latch>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include <sys/wait.h>
#include <unistd.h>

// Who a signal belongs to when receivers, keyboard interrupts and the program's own handlers come and go.

namespace tombolo::testing {
namespace {

using namespace std::chrono_literals;
using os::open_signal_receiver;
using os::signal_receiver;

std::unique_ptr<signal_receiver> receiver_of(int signal) {
    return std::unique_ptr<signal_receiver>(new signal_receiver(open_signal_receiver({signal})));  // immovable
}

class signal_owners : public interruptible_runs {};

TEST_F(signal_owners, are_a_receiver_first_and_keyboard_interrupts_when_it_has_gone) {
    run_main([] {
        {
            signal_receiver receiver = open_signal_receiver({SIGINT});
            press_ctrl_c();
            checkpoint();
            EXPECT_EQ(receiver.receive(), SIGINT);
            checkpoint();
        }
        press_ctrl_c();
        EXPECT_TRUE(is_interrupted_in([] { checkpoint(); }));
        checkpoint();
    });
    EXPECT_EQ(handler_of(SIGINT), SIG_DFL);
}

TEST_F(signal_owners, hand_a_ctrl_c_that_no_receiver_received_to_keyboard_interrupts) {
    run_main([] {
        {
            const signal_receiver receiver = open_signal_receiver({SIGINT});
            press_ctrl_c();
            checkpoint();
        }
        EXPECT_TRUE(is_interrupted_in([] { checkpoint(); }));
    });
}

TEST_F(signal_owners, keep_an_interrupt_that_came_before_the_receiver) {
    run_main([] {
        press_ctrl_c();
        signal_receiver receiver = open_signal_receiver({SIGINT});
        EXPECT_TRUE(is_interrupted_in([&] { receiver.receive(); }));
        EXPECT_EQ(receiver.pending(), 0U);
    });
}

TEST_F(signal_owners, give_sigint_back_when_the_receiver_outlives_the_run) {
    std::unique_ptr<signal_receiver> receiver;
    run_main([&] { receiver = receiver_of(SIGINT); });
    EXPECT_NE(handler_of(SIGINT), SIG_DFL);
    receiver.reset();
    EXPECT_EQ(handler_of(SIGINT), SIG_DFL);
}

/// Another thread's run with a receiver, opened and closed on request.
class elsewhere {
public:
    explicit elsewhere(int signal) {
        thread_ = std::jthread([this, signal] {
            run([&] {
                signal_receiver receiver = open_signal_receiver({signal});
                opened_.count_down();
                to_close_.wait();
                received_ = receiver.try_receive();
            });
        });
        opened_.wait();
    }
    /// What it had received.
    std::optional<int> close() {
        if (thread_.joinable()) {
            to_close_.count_down();
            thread_.join();
        }
        return received_;
    }
    ~elsewhere() { close(); }

private:
    std::latch opened_{1};
    std::latch to_close_{1};
    std::optional<int> received_;
    std::jthread thread_;
};

TEST_F(signal_owners, are_keyboard_interrupts_after_a_receiver_of_another_run_that_was_there_first) {
    auto other = std::make_unique<elsewhere>(SIGINT);
    run_main([&] {
        press_ctrl_c();
        checkpoint();
        EXPECT_EQ(other->close(), SIGINT);
        checkpoint();
        press_ctrl_c();
        EXPECT_TRUE(is_interrupted_in([] { checkpoint(); }));
    });
    EXPECT_EQ(handler_of(SIGINT), SIG_DFL);
}

TEST_F(signal_owners, are_a_receiver_of_another_run_when_the_main_threads_run_has_ended) {
    std::unique_ptr<elsewhere> other;
    run_main([&] { other = std::make_unique<elsewhere>(SIGINT); });
    EXPECT_NE(handler_of(SIGINT), SIG_DFL);
    press_ctrl_c();
    EXPECT_EQ(other->close(), SIGINT);
    EXPECT_EQ(handler_of(SIGINT), SIG_DFL);
}

TEST_F(signal_owners, are_a_handler_that_was_installed_during_the_run_once_the_receiver_over_it_has_gone) {
    calls_of_handler[SIGINT] = 0;
    run_main([] {
        std::signal(SIGINT, count_call);
        {
            signal_receiver receiver = open_signal_receiver({SIGINT});
            press_ctrl_c();
            EXPECT_EQ(receiver.receive(), SIGINT);
            EXPECT_EQ(calls_of_handler[SIGINT], 0);
        }
        EXPECT_EQ(handler_of(SIGINT), count_call);
        press_ctrl_c();
        EXPECT_EQ(calls_of_handler[SIGINT], 1);
        checkpoint();
    });
    EXPECT_EQ(handler_of(SIGINT), count_call);
}

TEST_F(signal_owners, are_a_handler_that_was_installed_over_the_receivers) {
    const scoped_disposition as_usual(SIGUSR1, SIG_IGN);
    calls_of_handler[SIGUSR1] = 0;
    run_main([] {
        {
            const signal_receiver receiver = open_signal_receiver({SIGUSR1});
            std::raise(SIGUSR1);
            std::signal(SIGUSR1, count_call);
        }
        EXPECT_EQ(handler_of(SIGUSR1), count_call);
        EXPECT_EQ(calls_of_handler[SIGUSR1], 1) << "it gets what the receiver leaves";
    });
}

// A library that saved our handler as "the one before" puts it back when nobody is subscribed any more.
TEST_F(signal_owners, are_the_program_when_a_handler_is_put_back_that_nobody_stands_behind) {
    const counting_handler own(SIGUSR1);
    void (*saved)(int) = nullptr;
    run_main([&] {
        const signal_receiver receiver = open_signal_receiver({SIGUSR1});
        saved = std::signal(SIGUSR1, SIG_IGN);
    });
    std::signal(SIGUSR1, saved);
    std::raise(SIGUSR1);
    EXPECT_EQ(own.calls(), 1);
    EXPECT_EQ(handler_of(SIGUSR1), count_call);

    std::signal(SIGUSR1, saved);
    run_main([&] {
        signal_receiver receiver = open_signal_receiver({SIGUSR1});
        std::raise(SIGUSR1);
        EXPECT_EQ(receiver.receive(), SIGUSR1);
    });
    EXPECT_EQ(handler_of(SIGUSR1), count_call);
}

void handler_with_information(int, siginfo_t*, void*) {}

TEST_F(signal_owners, get_their_flags_and_mask_back_with_their_handler) {
    const scoped_disposition as_before(SIGUSR1, SIG_DFL);
    struct sigaction wanted = {};
    wanted.sa_sigaction = handler_with_information;
    wanted.sa_flags = SA_SIGINFO | SA_NODEFER;
    sigemptyset(&wanted.sa_mask);
    sigaddset(&wanted.sa_mask, SIGHUP);
    ASSERT_EQ(::sigaction(SIGUSR1, &wanted, nullptr), 0);
    run_main([] {
        const auto first = receiver_of(SIGUSR1);
        auto second = receiver_of(SIGUSR1);
        auto third = receiver_of(SIGUSR1);
        second.reset();
        third.reset();
    });
    const struct sigaction got = disposition_of(SIGUSR1);
    EXPECT_EQ(got.sa_sigaction, handler_with_information);
    EXPECT_EQ(got.sa_flags & (SA_SIGINFO | SA_NODEFER | SA_RESTART), SA_SIGINFO | SA_NODEFER);
    EXPECT_EQ(sigismember(&got.sa_mask, SIGHUP), 1);
    EXPECT_EQ(sigismember(&got.sa_mask, SIGUSR2), 0);
}

TEST_F(signal_owners, come_back_in_whatever_order_receivers_close) {
    const counting_handler own(SIGUSR1);
    const int orders[][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    for (const auto& order : orders) {
        run_main([&] {
            std::unique_ptr<signal_receiver> receivers[] = {
                receiver_of(SIGUSR1), receiver_of(SIGUSR1), receiver_of(SIGUSR1)};
            for (const int which : order) {
                EXPECT_NE(handler_of(SIGUSR1), count_call);
                std::raise(SIGUSR1);
                for (const auto& receiver : receivers) {
                    if (receiver != nullptr) {
                        EXPECT_EQ(receiver->try_receive(), SIGUSR1);
                    }
                }
                receivers[which].reset();
            }
        });
        EXPECT_EQ(handler_of(SIGUSR1), count_call);
    }
    EXPECT_EQ(own.calls(), 0);
}

TEST_F(signal_owners, are_the_program_in_a_child_that_was_forked_inside_the_run) {
    const scoped_disposition as_usual(SIGTERM, SIG_DFL);
    run_main([] {
        signal_receiver receiver = open_signal_receiver({SIGTERM});
        for (const int signal : {SIGTERM, SIGINT}) {
            const pid_t child = ::fork();
            if (child == 0) {
                std::raise(signal);
                ::_exit(0);
            }
            int status = 0;
            ASSERT_EQ(::waitpid(child, &status, 0), child);
            EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == signal) << status;
        }
        EXPECT_EQ(receiver.pending(), 0U);
        checkpoint();
    });
}

TEST_F(signal_owners, are_the_program_when_the_run_of_the_only_receiver_has_ended) {
    const counting_handler own(SIGUSR1);
    std::unique_ptr<signal_receiver> receiver;
    run_main([&] { receiver = receiver_of(SIGUSR1); });
    std::raise(SIGUSR1);
    EXPECT_EQ(own.calls(), 1);
    receiver.reset();
    EXPECT_EQ(own.calls(), 1);
    EXPECT_EQ(handler_of(SIGUSR1), count_call);
}

/// Presses Ctrl-C when the run has ended already.
struct late_presser : instrument {
    void after_run() override { press_ctrl_c(); }
};

TEST_F(signal_owners, lose_no_ctrl_c_that_comes_when_the_run_looks_no_more) {
    const auto press_late = [] {
        late_presser presser;
        run([] {}, {.instruments = {&presser}});
    };
    EXPECT_EXIT(press_late(), ::testing::KilledBySignal(SIGINT), "");
}

TEST_F(signal_owners, are_told_through_a_subscription_on_the_threads_run) {
    run_main([] {
        int calls = 0;
        lowlevel::signal_subscription subscription(SIGUSR1, [&] { ++calls; });
        EXPECT_EQ(subscription.signal_number(), SIGUSR1);
        EXPECT_EQ(subscription.take(), 0U);
        std::raise(SIGUSR1);
        std::raise(SIGUSR1);
        EXPECT_EQ(calls, 0);
        wait_all_tasks_blocked();
        EXPECT_EQ(calls, 1);
        const auto first = subscription.take();
        EXPECT_NE(first, 0U);
        std::raise(SIGUSR1);
        EXPECT_GT(subscription.take(), first);
        subscription.close();
        subscription.close();
        wait_all_tasks_blocked();
        EXPECT_EQ(calls, 1) << "closed before its turn came";
    });
}

TEST_F(signal_owners, of_a_subscription_may_end_it_in_its_own_function) {
    std::size_t seen = 0;
    run_main([&] {
        std::optional<lowlevel::signal_subscription> once;
        once.emplace(SIGUSR1, [&once, &seen, captured = std::string(100, 'x')] {
            once->close();
            seen += captured.size();
        });
        ASSERT_EQ(std::raise(SIGUSR1), 0);
        while (seen == 0) checkpoint();
    });
    EXPECT_EQ(seen, 100U);
}

}  // namespace
}  // namespace tombolo::testing
