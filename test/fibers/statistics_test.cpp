#include <tombolo/fibers/statistics.hpp>

#include "test/fibers/thrown.hpp"

#include <tombolo/testing/test.hpp>
#include <tombolo/testing/wait_all_tasks_blocked.hpp>
#include <tombolo/tombolo.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <cstddef>

#include <sys/socket.h>

namespace {

namespace tb = tombolo;
using namespace std::chrono_literals;
using tb::lowlevel::current_statistics;
using tb::testing::wait_all_tasks_blocked;

// case 9
TOMBOLO_TEST(statistics, count_living_and_runnable_tasks_and_queued_calls) {
    EXPECT_EQ(current_statistics().tasks_living, 3U);  // main, the root task, and the one that makes posted calls
    EXPECT_EQ(current_statistics().run_sync_soon_queue_size, 0U);
    const char key = 0;
    tb::open_nursery([&](tb::nursery& n) {
        n.start_soon([] { tb::sleep_forever(); });
        EXPECT_EQ(current_statistics().tasks_living, 4U);
        wait_all_tasks_blocked();
        EXPECT_EQ(current_statistics().tasks_runnable, 0U);
        tb::lowlevel::current_run_token().run_sync_soon([] {});
        tb::lowlevel::current_run_token().run_sync_soon([] {}, {.idempotent = &key});
        EXPECT_EQ(current_statistics().run_sync_soon_queue_size, 2U);
        EXPECT_EQ(current_statistics().tasks_runnable, 0U);
        n.cancel_scope().cancel();
        EXPECT_EQ(current_statistics().tasks_living, 4U);
        EXPECT_EQ(current_statistics().tasks_runnable, 1U);
    });
    wait_all_tasks_blocked();
    EXPECT_EQ(current_statistics().tasks_living, 3U);
    EXPECT_EQ(current_statistics().run_sync_soon_queue_size, 0U);
}

TOMBOLO_TEST(statistics, count_tasks_that_have_not_started_as_living_and_runnable) {
    tb::open_nursery([](tb::nursery& n) {
        wait_all_tasks_blocked();
        for (int i = 0; i < 10; ++i) {
            n.start_soon([] {});
        }
        EXPECT_EQ(current_statistics().tasks_living, 13U);
        EXPECT_EQ(current_statistics().tasks_runnable, 10U);
    });
}

// case 9
TOMBOLO_TEST(statistics, tell_the_time_to_the_next_deadline) {
    EXPECT_EQ(current_statistics().time_to_next_deadline, tb::duration::max());
    tb::cancel_scope scope{{.deadline = tb::now() + 5s}};
    scope.run([&] {
        EXPECT_EQ(current_statistics().time_to_next_deadline, 5s);
        tb::move_on_after(2s, [] { EXPECT_EQ(current_statistics().time_to_next_deadline, 2s); });
        EXPECT_EQ(current_statistics().time_to_next_deadline, 5s);
        tb::testing::test_clock().jump(1s);
        EXPECT_EQ(current_statistics().time_to_next_deadline, 4s);
        scope.deadline(tb::now() - 3s);
        EXPECT_EQ(current_statistics().time_to_next_deadline, -3s);
        scope.deadline(tb::time_point::max());
        EXPECT_EQ(current_statistics().time_to_next_deadline, tb::duration::max());
        scope.deadline(tb::now() + 1s);
        scope.cancel();
        EXPECT_EQ(current_statistics().time_to_next_deadline, tb::duration::max());
    });
}

TOMBOLO_TEST(statistics, tell_a_deadline_of_always_as_far_in_the_past_as_can_be_said) {
    tb::testing::test_clock().jump(10s);
    tb::cancel_scope scope;
    scope.run([&] {
        scope.deadline(tb::time_point::min());
        EXPECT_EQ(current_statistics().time_to_next_deadline, tb::duration::min());
    });
}

struct socket_pair {
    socket_pair() {
        std::array<int, 2> ends{};
        EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends.data()), 0);
        left.reset(ends[0]);
        right.reset(ends[1]);
    }
    tb::unique_fd left;
    tb::unique_fd right;
};

// R17
TOMBOLO_TEST(statistics, count_the_tasks_that_wait_for_descriptors) {
    const auto expect_waiting = [](std::size_t readers, std::size_t writers) {
        const auto io = current_statistics().io;
        EXPECT_EQ(io.backend, "epoll");
        EXPECT_EQ(io.tasks_waiting_read, readers + 1);  // the run's own wake-up reads too
        EXPECT_EQ(io.tasks_waiting_write, writers);
    };
    expect_waiting(0, 0);
    const socket_pair sockets;
    const std::array<char, 4096> bytes{};
    while (::send(sockets.left.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) > 0) {}
    tb::open_nursery([&](tb::nursery& n) {
        n.start_soon([&] { tb::lowlevel::wait_readable(sockets.left.get()); });
        n.start_soon([&] { tb::lowlevel::wait_writable(sockets.left.get()); });
        wait_all_tasks_blocked();
        expect_waiting(1, 1);
        n.cancel_scope().cancel();
        expect_waiting(0, 0);
    });
}

TOMBOLO_TEST(statistics, count_the_stacks_in_use) {
    wait_all_tasks_blocked();  // the run's own tasks have started, too
    const std::size_t before = current_statistics().stacks.in_use;
    tb::open_nursery([&](tb::nursery& n) {
        for (int i = 0; i < 5; ++i) {
            n.start_soon([] { tb::sleep_forever(); });
        }
        // A task gets its stack with its first step.
        EXPECT_EQ(current_statistics().stacks.in_use, before);
        wait_all_tasks_blocked();
        EXPECT_EQ(current_statistics().stacks.in_use, before + 5);
        EXPECT_GE(current_statistics().stacks.peak_in_use, before + 5);
        n.cancel_scope().cancel();
    });
    EXPECT_EQ(current_statistics().stacks.in_use, before);
    EXPECT_GE(current_statistics().stacks.free, 1U);
}

void use_stack(std::size_t bytes) {
    std::array<char, 1024> block{};
    // Without this, a compiler keeps only the bytes that are used.
    asm volatile("" : : "r"(block.data()) : "memory");
    if (bytes > block.size()) {
        use_stack(bytes - block.size());
    }
    asm volatile("" : : "r"(block.data()) : "memory");
}

TEST(statistics, name_the_finished_task_that_used_most_stack_when_the_run_measures) {
    const auto main = [] {
        tb::open_nursery([](tb::nursery& n) {
            n.start_soon([] { use_stack(4'000); }, {.name = "shallow"});
            n.start_soon([] { use_stack(60'000); }, {.name = "deep"});
        });
        EXPECT_EQ(current_statistics().stacks.high_water_task, "deep");
        EXPECT_GE(current_statistics().stacks.high_water, 60'000U);
        EXPECT_LT(current_statistics().stacks.high_water, 256U * 1024);
    };
    tb::run(main, {.measure_stacks = true});
    tb::run([] { EXPECT_EQ(current_statistics().stacks.high_water, 0U); });
}

}  // namespace
