#include "test/fibers/cancellation.hpp"
#include "test/fibers/dispositions.hpp"
#include "test/fibers/thrown.hpp"

#include <tombolo/fibers/cancel_scope.hpp>
#include <tombolo/fibers/nursery.hpp>
#include <tombolo/fibers/run.hpp>
#include <tombolo/fibers/signals.hpp>
#include <tombolo/fibers/timeouts.hpp>
#include <tombolo/testing/test.hpp>
#include <tombolo/testing/wait_all_tasks_blocked.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <csignal>
#include <map>
#include <optional>
#include <thread>
#include <vector>

namespace tombolo::testing {
namespace {

using namespace std::chrono_literals;
using os::open_signal_receiver;
using os::signal_receiver;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// case 91
TOMBOLO_TEST(signal_receiver, receives_signals_and_gives_the_handler_back) {
    const counting_handler own(SIGUSR1);
    {
        signal_receiver receiver = open_signal_receiver({SIGUSR1});
        EXPECT_NE(handler_of(SIGUSR1), count_call);
        std::raise(SIGUSR1);
        EXPECT_EQ(receiver.receive(), SIGUSR1);
        std::raise(SIGUSR1);
        EXPECT_EQ(receiver.receive(), SIGUSR1);
    }
    EXPECT_EQ(handler_of(SIGUSR1), count_call);
    EXPECT_EQ(own.calls(), 0);
}

TOMBOLO_TEST(signal_receiver, wakes_the_task_that_waits_in_it) {
    const counting_handler own(SIGUSR1);
    open_nursery([](nursery& n) {
        signal_receiver receiver = open_signal_receiver({SIGUSR1});
        n.start_soon([] {
            wait_all_tasks_blocked();
            std::raise(SIGUSR1);
        });
        EXPECT_EQ(receiver.receive(), SIGUSR1);
    });
    EXPECT_EQ(own.calls(), 0);
}

TOMBOLO_TEST(signal_receiver, is_iterated_over_without_end) {
    std::vector<int> got;
    signal_receiver receiver = open_signal_receiver({SIGUSR1, SIGUSR2});
    open_nursery([&](nursery& n) {
        n.start_soon([] {
            for (const int signal : {SIGUSR1, SIGUSR2, SIGUSR1}) {
                wait_all_tasks_blocked();
                std::raise(signal);
            }
        });
        for (const int signal : receiver) {
            got.push_back(signal);
            if (got.size() == 3) break;
        }
    });
    EXPECT_THAT(got, ElementsAre(SIGUSR1, SIGUSR2, SIGUSR1));
}

// case 91
TOMBOLO_TEST(signal_receiver, counts_several_arrivals_as_one_until_it_is_received) {
    signal_receiver receiver = open_signal_receiver({SIGUSR1});
    for (int i = 0; i < 3; ++i) std::raise(SIGUSR1);
    EXPECT_EQ(receiver.pending(), 1U);
    wait_all_tasks_blocked();
    for (int i = 0; i < 3; ++i) std::raise(SIGUSR1);
    EXPECT_EQ(receiver.receive(), SIGUSR1);
    EXPECT_EQ(receiver.pending(), 0U);
    EXPECT_EQ(receiver.try_receive(), std::nullopt);
}

TOMBOLO_TEST(signal_receiver, hands_out_different_signals_in_the_order_of_their_arrival) {
    signal_receiver receiver = open_signal_receiver({SIGUSR1, SIGUSR2, SIGHUP});
    for (const int signal : {SIGHUP, SIGUSR2, SIGHUP, SIGUSR1}) std::raise(signal);
    EXPECT_EQ(receiver.pending(), 3U);
    EXPECT_EQ(receiver.try_receive(), SIGHUP);
    EXPECT_EQ(receiver.receive(), SIGUSR2);
    EXPECT_EQ(receiver.receive(), SIGUSR1);
}

// case 91
TOMBOLO_TEST(signal_receiver, starves_no_signal_when_another_comes_all_the_time) {
    signal_receiver receiver = open_signal_receiver({SIGUSR1, SIGUSR2});
    std::raise(SIGUSR1);
    std::raise(SIGUSR2);
    std::map<int, int> received;
    for (int i = 0; i < 10; ++i) {
        const int signal = receiver.receive();
        ++received[signal];
        std::raise(signal);
        if (i % 3 == 0) wait_all_tasks_blocked();
    }
    EXPECT_EQ(received[SIGUSR1], 5);
    EXPECT_EQ(received[SIGUSR2], 5);
    while (receiver.try_receive()) {}
}

TOMBOLO_TEST(signal_receiver, takes_a_signal_that_has_come_without_waiting) {
    signal_receiver receiver = open_signal_receiver({SIGUSR1});
    EXPECT_EQ(receiver.try_receive(), std::nullopt);
    std::raise(SIGUSR1);
    EXPECT_EQ(receiver.try_receive(), SIGUSR1);
    EXPECT_EQ(receiver.try_receive(), std::nullopt);
}

// case 91
TOMBOLO_TEST(signal_receiver, refuses_a_second_task_that_receives_and_leaves_the_first_alone) {
    signal_receiver receiver = open_signal_receiver({SIGUSR1});
    open_nursery([&](nursery& n) {
        n.start_soon([&] { EXPECT_EQ(receiver.receive(), SIGUSR1); });
        wait_all_tasks_blocked();
        EXPECT_THAT(text_of<busy_resource>([&] { receiver.receive(); }), HasSubstr("another task"));
        std::raise(SIGUSR1);
    });
    std::raise(SIGUSR1);
    EXPECT_EQ(receiver.receive(), SIGUSR1);
}

TOMBOLO_TEST(signal_receiver, waits_again_when_another_task_took_the_signal_that_woke_it) {
    signal_receiver receiver = open_signal_receiver({SIGUSR1});
    open_nursery([&](nursery& n) {
        n.start_soon([&] { EXPECT_EQ(receiver.receive(), SIGUSR1); });
        wait_all_tasks_blocked();
        std::raise(SIGUSR1);
        EXPECT_EQ(receiver.try_receive(), SIGUSR1);
        wait_all_tasks_blocked();
        EXPECT_EQ(n.child_tasks().size(), 1U);
        std::raise(SIGUSR1);
    });
}

TOMBOLO_TEST(signal_receiver, loses_no_signal_to_a_cancellation) {
    signal_receiver receiver = open_signal_receiver({SIGUSR1});
    EXPECT_FALSE(move_on_after(1s, [&] { return receiver.receive(); }).has_value());
    std::raise(SIGUSR1);
    cancel_scope scope;
    scope.cancel();
    EXPECT_FALSE(scope.run([&] { return receiver.receive(); }).has_value());
    EXPECT_EQ(receiver.receive(), SIGUSR1);
}

TOMBOLO_TEST(signal_receiver, is_of_no_use_after_it_was_closed) {
    signal_receiver receiver = open_signal_receiver({SIGUSR1});
    EXPECT_FALSE(receiver.closed());
    receiver.close();
    receiver.close();
    EXPECT_TRUE(receiver.closed());
    EXPECT_THAT(text_of<closed_resource>([&] { receiver.receive(); }), HasSubstr("closed"));
    EXPECT_THAT(text_of<closed_resource>([&] { receiver.try_receive(); }), HasSubstr("closed"));
    EXPECT_EQ(receiver.pending(), 0U);
}

TOMBOLO_TEST(signal_receiver, wakes_the_task_that_waits_in_it_with_an_error_when_it_is_closed) {
    signal_receiver receiver = open_signal_receiver({SIGUSR1});
    open_nursery([&](nursery& n) {
        n.start_soon([&] { EXPECT_THAT(text_of<closed_resource>([&] { receiver.receive(); }), HasSubstr("closed")); });
        wait_all_tasks_blocked();
        receiver.close();
    });
}

// case 91
TOMBOLO_TEST(signal_receiver, raises_again_what_came_and_was_not_received) {
    const counting_handler usr1(SIGUSR1);
    const counting_handler usr2(SIGUSR2);
    const counting_handler hup(SIGHUP);
    {
        signal_receiver receiver = open_signal_receiver({SIGUSR1, SIGUSR2, SIGHUP});
        std::raise(SIGHUP);
        EXPECT_EQ(receiver.receive(), SIGHUP);
        std::raise(SIGUSR1);
        wait_all_tasks_blocked();
        EXPECT_EQ(receiver.pending(), 1U) << "this one has reached the receiver";
        std::raise(SIGUSR2);  // and this one is under way
        EXPECT_EQ(usr1.calls() + usr2.calls() + hup.calls(), 0);
    }
    EXPECT_EQ(usr1.calls(), 1);
    EXPECT_EQ(usr2.calls(), 1);
    EXPECT_EQ(hup.calls(), 0) << "it was received";
}

TEST(signal_receiver, lets_a_signal_that_nobody_received_have_its_default_effect) {
    const scoped_disposition as_usual(SIGTERM, SIG_DFL);
    const auto miss_a_signal = [] {
        run([] {
            const signal_receiver receiver = open_signal_receiver({SIGTERM});
            std::raise(SIGTERM);
        });
    };
    EXPECT_EXIT(miss_a_signal(), ::testing::KilledBySignal(SIGTERM), "");
}

TOMBOLO_TEST(signal_receiver, leaves_a_signal_that_was_ignored_ignored) {
    const scoped_disposition ignored(SIGHUP, SIG_IGN);
    {
        signal_receiver receiver = open_signal_receiver({SIGHUP});
        std::raise(SIGHUP);
        EXPECT_EQ(receiver.receive(), SIGHUP);
        std::raise(SIGHUP);
    }
    EXPECT_EQ(handler_of(SIGHUP), SIG_IGN);
}

TOMBOLO_TEST(signal_receiver, of_the_same_signal_get_it_all) {
    const counting_handler own(SIGUSR1);
    signal_receiver first = open_signal_receiver({SIGUSR1});
    {
        signal_receiver second = open_signal_receiver({SIGUSR1, SIGUSR2});
        std::raise(SIGUSR1);
        EXPECT_EQ(first.receive(), SIGUSR1);
        EXPECT_EQ(second.receive(), SIGUSR1);
        std::raise(SIGUSR1);
        EXPECT_EQ(first.receive(), SIGUSR1);
    }
    EXPECT_EQ(own.calls(), 0) << "the first receiver has got what the second did not receive";
    EXPECT_EQ(first.pending(), 0U) << "and gets it only once";
    std::raise(SIGUSR1);
    EXPECT_EQ(first.receive(), SIGUSR1);
    first.close();
    EXPECT_EQ(handler_of(SIGUSR1), count_call);
}

TOMBOLO_TEST(signal_receiver, gets_what_another_receiver_was_told_before_it_was_opened_and_did_not_receive) {
    const counting_handler own(SIGUSR1);
    std::optional<signal_receiver> first;
    struct opened {
        operator signal_receiver() const { return open_signal_receiver({SIGUSR1}); }
    };
    first.emplace(opened());
    std::raise(SIGUSR1);
    signal_receiver second = open_signal_receiver({SIGUSR1});
    EXPECT_EQ(second.pending(), 0U);
    first.reset();
    EXPECT_EQ(second.try_receive(), SIGUSR1);
    EXPECT_EQ(own.calls(), 0);
}

TOMBOLO_TEST(signal_receiver, refuses_what_no_program_can_receive_before_anything_changes) {
    const counting_handler own(SIGUSR1);
    const auto text_for = [](const std::vector<int>& signals) {
        return text_of<invalid_signal>([&] { open_signal_receiver(signals); });
    };
    EXPECT_THAT(text_for({}), HasSubstr("at least one"));
    EXPECT_THAT(text_for({SIGUSR1, SIGKILL}), HasSubstr("SIGKILL"));
    EXPECT_THAT(text_for({SIGUSR1, SIGSTOP}), HasSubstr("SIGTSTP"));
    for (const int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS})
        EXPECT_THAT(text_for({SIGUSR1, fault}), HasSubstr("fault"));
    for (const int number : {0, -1, NSIG, 100000})
        EXPECT_THAT(text_for({SIGUSR1, number}), HasSubstr("does not exist"));
    EXPECT_EQ(handler_of(SIGUSR1), count_call);
}

TEST(signal_receiver, is_opened_inside_a_run_and_used_there_only) {
    EXPECT_THAT(text_of<not_in_run>([] { open_signal_receiver({SIGUSR1}); }), HasSubstr("tombolo::run"));
    run([] {
        signal_receiver receiver = open_signal_receiver({SIGUSR1});
        std::jthread([&] {
            EXPECT_THAT(text_of<wrong_thread>([&] { receiver.try_receive(); }), HasSubstr("another run"));
            run([&] { EXPECT_THAT(text_of<wrong_thread>([&] { receiver.receive(); }), HasSubstr("another run")); });
        });
    });
}

TOMBOLO_TEST(signal_receiver, takes_a_signal_that_is_named_twice_once) {
    const counting_handler own(SIGUSR1);
    {
        signal_receiver receiver = open_signal_receiver({SIGUSR1, SIGUSR1});
        std::raise(SIGUSR1);
        EXPECT_EQ(receiver.pending(), 1U);
        EXPECT_EQ(receiver.receive(), SIGUSR1);
    }
    EXPECT_EQ(handler_of(SIGUSR1), count_call);
    EXPECT_EQ(own.calls(), 0);
}

TOMBOLO_TEST(signal_receiver, receives_real_time_signals) {
    signal_receiver receiver = open_signal_receiver({SIGRTMIN, SIGRTMAX});
    std::raise(SIGRTMAX);
    std::raise(SIGRTMIN);
    EXPECT_EQ(receiver.receive(), SIGRTMAX);
    EXPECT_EQ(receiver.receive(), SIGRTMIN);
}

TEST(signal_receiver_death, outlives_the_task_that_receives) {
    const auto destroy = [] {
        run([] {
            open_nursery([](nursery& n) {
                signal_receiver receiver = open_signal_receiver({SIGUSR1});
                n.start_soon([&] { receiver.receive(); });
                wait_all_tasks_blocked();
            });
        });
    };
    EXPECT_DEATH(destroy(), "outlives every call");
}

}  // namespace
}  // namespace tombolo::testing
