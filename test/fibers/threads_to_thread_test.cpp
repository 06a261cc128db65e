#include <thread>

#include "test/fibers/thrown.hpp"
#include "test/support/mailbox.hpp"
#include "test/support/worker_threads.hpp"

#include <tombolo/testing/test.hpp>
#include <tombolo/testing/threads.hpp>
#include <tombolo/testing/wait_all_tasks_blocked.hpp>
#include <tombolo/tombolo.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace {

namespace tb = tombolo;
using namespace std::chrono_literals;
using tb::testing::active_thread_count;
using tb::testing::mailbox;
using tb::testing::text_of;
using tb::testing::thrown_by;
using tb::testing::wait_all_tasks_blocked;

TOMBOLO_TEST(to_thread, returns_what_the_function_returns_from_another_thread) {
    const std::thread::id here = std::this_thread::get_id();
    const auto [value, there] = tb::to_thread([] { return std::pair(42, std::this_thread::get_id()); });
    EXPECT_EQ(value, 42);
    EXPECT_NE(here, there);
    EXPECT_EQ(std::this_thread::get_id(), here);
}

TOMBOLO_TEST(to_thread, throws_what_the_function_throws) {
    const std::string text =
        text_of<std::out_of_range>([] { tb::to_thread([]() -> int { throw std::out_of_range("x"); }); });
    EXPECT_EQ(text, "x");
    EXPECT_THROW(tb::to_thread([] { throw std::out_of_range("x"); }), std::out_of_range);
}

TOMBOLO_TEST(to_thread, carries_void_references_and_what_only_moves) {
    int counted = 0;
    tb::to_thread([&] { ++counted; });
    EXPECT_EQ(counted, 1);
    int& same = tb::to_thread([&]() -> int& { return counted; });
    EXPECT_EQ(&same, &counted);
    auto owned = tb::to_thread([number = std::make_unique<int>(5)]() mutable { return std::move(number); });
    EXPECT_EQ(*owned, 5);
}

int seven() { return 7; }

TOMBOLO_TEST(to_thread, takes_plain_functions_and_function_objects) {
    EXPECT_EQ(tb::to_thread(seven), 7);
    const std::function<int()> object = seven;
    EXPECT_EQ(tb::to_thread(object), 7);
    tb::unique_function<int()> unique = seven;
    EXPECT_EQ(tb::to_thread(std::move(unique)), 7);
}

TOMBOLO_TEST(to_thread, lets_other_tasks_run_meanwhile) {
    mailbox<> go;
    std::vector<std::string> order;
    tb::open_nursery([&](tb::nursery& n) {
        n.start_soon([&] {
            tb::to_thread([&] { go.get(); });
            order.emplace_back("thread");
        });
        n.start_soon([&] {
            tb::checkpoint();
            order.emplace_back("task");
            go.put();
        });
    });
    EXPECT_EQ(order, (std::vector<std::string>{"task", "thread"}));
}

TOMBOLO_TEST(to_thread, destroys_the_function_in_its_thread_before_the_call_returns) {
    struct whereabouts {
        std::thread::id* destroyed_in;
        explicit whereabouts(std::thread::id& into) : destroyed_in(&into) {}
        whereabouts(whereabouts&& other) noexcept : destroyed_in(std::exchange(other.destroyed_in, nullptr)) {}
        ~whereabouts() {
            if (destroyed_in != nullptr) *destroyed_in = std::this_thread::get_id();
        }
    };
    std::thread::id destroyed_in;
    const std::thread::id called_in =
        tb::to_thread([held = whereabouts(destroyed_in)] { return std::this_thread::get_id(); });
    EXPECT_EQ(destroyed_in, called_in);
    destroyed_in = {};
    EXPECT_THROW(
        tb::to_thread([held = whereabouts(destroyed_in)] { throw std::runtime_error("no"); }), std::runtime_error);
    EXPECT_NE(destroyed_in, std::thread::id());
    EXPECT_NE(destroyed_in, std::this_thread::get_id());
}

// case 77: run_in_worker_thread_cancellation (wait)
TOMBOLO_TEST(to_thread, finishes_although_its_scope_is_cancelled_and_returns_the_result) {
    mailbox<> go;
    tb::cancel_scope scope;
    int result = 0;
    bool returned = false;
    tb::open_nursery([&](tb::nursery& n) {
        n.start_soon([&] {
            scope.run([&] {
                result = tb::to_thread([&] {
                    go.get();
                    return 5;
                });
                returned = true;
            });
        });
        wait_all_tasks_blocked();
        scope.cancel();
        wait_all_tasks_blocked();
        EXPECT_FALSE(returned);
        go.put();
    });
    EXPECT_TRUE(returned);
    EXPECT_EQ(result, 5);
    EXPECT_FALSE(scope.cancelled_caught());
}

// case 77: cancelled before it begins
TOMBOLO_TEST(to_thread, starts_no_thread_in_a_cancelled_scope) {
    for (const bool abandon : {false, true}) {
        bool called = false;
        tb::cancel_scope scope;
        scope.cancel();
        scope.run([&] { tb::to_thread([&] { called = true; }, {.abandon_on_cancel = abandon}); });
        EXPECT_TRUE(scope.cancelled_caught());
        EXPECT_FALSE(called);
        EXPECT_EQ(active_thread_count(), 0U);
    }
}

// case 80: named threads
TOMBOLO_TEST(to_thread, names_its_thread_while_the_function_runs) {
    const tb::testing::idle_thread_limit stay(1h);
    EXPECT_EQ(tb::to_thread(tb::testing::name_of_this_thread, {.name = "hasher"}), "hasher");
    EXPECT_EQ(tb::to_thread(tb::testing::name_of_this_thread), "tombolo worker");
}

// case 80: wait_all_threads_completed
TOMBOLO_TEST(to_thread, is_counted_and_awaited_while_it_is_in_progress) {
    mailbox<> first, second;
    bool all_done = false;
    EXPECT_EQ(active_thread_count(), 0U);
    tb::open_nursery([&](tb::nursery& n) {
        n.start_soon([&] { tb::to_thread([&] { first.get(); }); });
        n.start_soon([&] { tb::to_thread([&] { second.get(); }); });
        wait_all_tasks_blocked();
        EXPECT_EQ(active_thread_count(), 2U);
        n.start_soon([&] {
            tb::testing::wait_all_threads_completed();
            all_done = true;
        });
        first.put();
        while (active_thread_count() == 2) tb::checkpoint();
        wait_all_tasks_blocked();
        EXPECT_FALSE(all_done);
        second.put();
        tb::testing::wait_all_threads_completed();
        EXPECT_EQ(active_thread_count(), 0U);
    });
    EXPECT_TRUE(all_done);
    // Nothing to wait for.
    tb::testing::wait_all_threads_completed();
}

TOMBOLO_TEST(to_thread, counts_calls_that_failed_as_over) {
    EXPECT_THROW(tb::to_thread([] { throw std::runtime_error("no"); }), std::runtime_error);
    EXPECT_EQ(active_thread_count(), 0U);
}

// C-16
TOMBOLO_TEST(to_thread, is_jumped_past_by_a_mock_clock_with_no_threshold) {
    mailbox<> go;
    const tb::time_point start = tb::now();
    tb::open_nursery([&](tb::nursery& n) {
        n.start_soon([&] { tb::to_thread([&] { go.get(); }); });
        tb::sleep_for(24h);
        EXPECT_EQ(tb::now() - start, 24h);
        EXPECT_EQ(active_thread_count(), 1U);
        go.put();
    });
}

TOMBOLO_TEST(to_thread, is_no_deadlock) {
    // The run detects deadlocks, and all its tasks wait.
    mailbox<> go;
    std::jthread other;
    tb::open_nursery([&](tb::nursery& n) {
        n.start_soon([&] { tb::to_thread([&] { go.get(); }); });
        n.start_soon([&] { tb::to_thread([&] { go.get(); }); });
        n.start_soon([&] {
            wait_all_tasks_blocked();
            other = std::jthread([&] {
                go.put();
                while (go.holds_value()) std::this_thread::yield();
                go.put();
            });
        });
    });
}

TEST(to_thread, leaves_a_deadlock_to_be_detected_once_it_is_over) {
    for (const bool abandon : {false, true})
        EXPECT_THROW(
            tb::run(
                [&] {
                    tb::to_thread([] {}, {.abandon_on_cancel = abandon});
                    tb::sleep_forever();
                },
                {.detect_deadlock = true}),
            tb::deadlock);
}

TEST(to_thread, says_that_a_thread_without_a_run_may_call_the_function_itself) {
    const std::string text = text_of<tb::not_in_run>([] { tb::to_thread([] {}); });
    EXPECT_THAT(text, testing::HasSubstr("to_thread: no run is active"));
    EXPECT_THAT(text, testing::HasSubstr("call the function directly"));
}

TOMBOLO_TEST(to_thread, refuses_what_it_cannot_do_before_anything_happens) {
    EXPECT_THAT(
        text_of<tb::usage_error>([] { tb::to_thread(std::function<void()>()); }), testing::HasSubstr("to_thread"));
    {
        const tb::no_checkpoint section;
        EXPECT_THROW(tb::to_thread([] { ADD_FAILURE(); }), tb::checkpoint_forbidden);
    }
    EXPECT_EQ(active_thread_count(), 0U);
}

}  // namespace
