#include "test/support/mailbox.hpp"

#include <tombolo/testing/test.hpp>
#include <tombolo/testing/threads.hpp>
#include <tombolo/testing/wait_all_tasks_blocked.hpp>
#include <tombolo/tombolo.hpp>

#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <utility>

namespace {

namespace tb = tombolo;
namespace from_thread = tb::from_thread;
using tb::lowlevel::current_run_token;

tb::task_local<std::string> where("nowhere");
tb::task_local<int> other;

// H8
TOMBOLO_TEST(threads_variables, are_a_copy_of_the_tasks) {
    where.set("task");
    EXPECT_EQ(tb::to_thread([] { return where.get(); }), "task");
    EXPECT_EQ(tb::to_thread([] { return other.get(3); }), 3);
}

TOMBOLO_TEST(threads_variables, do_not_flow_back_into_the_task) {
    where.set("task");
    tb::to_thread([] {
        where.set("thread");
        other.set(1);
        EXPECT_EQ(where.get(), "thread");
    });
    EXPECT_EQ(where.get(), "task");
    EXPECT_EQ(other.get(0), 0);
}

TOMBOLO_TEST(threads_variables, do_not_stay_behind_for_the_next_call_of_the_thread) {
    tb::to_thread([] { where.set("thread"); });
    EXPECT_EQ(tb::to_thread([] { return where.get(); }), "nowhere");
}

TOMBOLO_TEST(threads_variables, are_those_of_the_moment_of_the_call) {
    where.set("before");
    tb::testing::mailbox<> go;
    tb::open_nursery([&](tb::nursery& n) {
        n.start_soon([&] {
            const std::string seen = tb::to_thread([&] {
                go.get();
                return where.get();
            });
            EXPECT_EQ(seen, "before");
        });
        tb::testing::wait_all_tasks_blocked();
        where.set("after");
        go.put();
    });
}

TOMBOLO_TEST(threads_variables, reach_the_functions_that_the_thread_has_run) {
    where.set("task");
    const auto token = current_run_token();
    const auto look = [] { return where.get(); };
    for (const bool abandon : {false, true})
        tb::to_thread(
            [&] {
                where.set("thread");
                EXPECT_EQ(from_thread::run(look), "thread");
                EXPECT_EQ(from_thread::run_sync(look), "thread");
                // case 80: run_fn_as_system_task contextvars
                EXPECT_EQ(from_thread::run(look, token), "thread");
                EXPECT_EQ(from_thread::run_sync(look, token), "thread");
            },
            {.abandon_on_cancel = abandon});
    EXPECT_EQ(where.get(), "task");
}

TOMBOLO_TEST(threads_variables, of_functions_that_a_thread_has_run_do_not_flow_back) {
    where.set("task");
    const auto token = current_run_token();
    const auto change = [] {
        where.set("function");
        return where.get();
    };
    tb::to_thread([&] {
        EXPECT_EQ(from_thread::run(change), "function");
        EXPECT_EQ(where.get(), "task");
        EXPECT_EQ(from_thread::run_sync(change), "function");
        EXPECT_EQ(from_thread::run(change, token), "function");
        EXPECT_EQ(from_thread::run_sync(change, token), "function");
        EXPECT_EQ(where.get(), "task");
        // The waiting task has its own back each time.
        EXPECT_EQ(from_thread::run_sync([] { return where.get(); }), "task");
    });
    EXPECT_EQ(where.get(), "task");
}

TOMBOLO_TEST(threads_variables, of_a_function_that_blocks_stay_with_its_task) {
    where.set("task");
    tb::open_nursery([&](tb::nursery& n) {
        n.start_soon([] {
            tb::to_thread([] {
                where.set("thread");
                from_thread::run([] {
                    EXPECT_EQ(where.get(), "thread");
                    tb::checkpoint();
                    EXPECT_EQ(where.get(), "thread");
                });
            });
        });
        for (int i = 0; i < 30; ++i) {
            EXPECT_EQ(where.get(), "task");
            tb::checkpoint();
        }
    });
}

TEST(threads_variables, are_seen_in_the_run_of_a_token_by_foreign_threads) {
    tb::run([&] {
        where.set("task");
        tb::testing::mailbox<std::string> seen;
        const std::jthread foreign([&, token = current_run_token()] {
            where.set("foreign");
            seen.put(from_thread::run([] { return where.get(); }, token));
        });
        EXPECT_EQ(tb::to_thread([&] { return seen.get(); }), "foreign");
    });
}

TOMBOLO_TEST(variables_copy, shows_what_was_seen_where_it_was_made) {
    where.set("first");
    const tb::lowlevel::variables_copy copy = tb::lowlevel::copy_variables();
    where.set("second");
    EXPECT_EQ(copy.call([] { return where.get(); }), "first");
    copy.call([] { where.set("third"); });
    EXPECT_EQ(copy.call([] { return where.get(); }), "first");
    EXPECT_EQ(where.get(), "second");
    EXPECT_EQ(tb::lowlevel::variables_copy().call([] { return where.get(); }), "nowhere");
    EXPECT_THROW(copy.call([] { throw 1; }), int);
    EXPECT_EQ(where.get(), "second");
}

}  // namespace
