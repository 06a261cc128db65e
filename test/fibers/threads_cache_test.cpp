#include "test/fibers/thrown.hpp"
#include "test/support/mailbox.hpp"
#include "test/support/worker_threads.hpp"

#include <tombolo/fibers/thread_cache.hpp>
#include <tombolo/testing/test.hpp>
#include <tombolo/tombolo.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <functional>
#include <latch>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

namespace {

namespace tb = tombolo;
using namespace std::chrono_literals;
using tb::lowlevel::start_thread_soon;
using tb::testing::idle_thread_limit;
using tb::testing::mailbox;
using tb::testing::name_of_this_thread;

// Runs `fn` on a cached thread and waits for what it returns; the thread counts as idle again when this returns.
template <class F>
auto call_in_thread(F fn, std::string_view name = {}) {
    using result = tb::outcome<decltype(fn())>;
    mailbox<std::shared_ptr<result>> answer;
    start_thread_soon(std::move(fn), [&](result got) { answer.put(std::make_shared<result>(std::move(got))); }, name);
    return std::move(*answer.get()).value();
}

std::thread::id thread_called() { return call_in_thread(std::this_thread::get_id); }

// Tells when the thread that touched it has ended.
struct end_of_thread {
    mailbox<>* told = nullptr;
    ~end_of_thread() {
        if (told != nullptr) told->put();
    }
};
thread_local end_of_thread this_thread_ends;

// case 68: basic
TEST(threads_cache, delivers_the_outcome_on_another_thread) {
    struct got {
        int value;
        std::thread::id performed_on;
        std::thread::id delivered_on;
    };
    mailbox<got> answer;
    start_thread_soon(
        [] { return std::pair(7, std::this_thread::get_id()); },
        [&](tb::outcome<std::pair<int, std::thread::id>> result) {
            const auto [value, thread] = std::move(result).value();
            answer.put({value, thread, std::this_thread::get_id()});
        });
    const auto [value, performed_on, delivered_on] = answer.get();
    EXPECT_EQ(value, 7);
    EXPECT_NE(performed_on, std::this_thread::get_id());
    EXPECT_EQ(performed_on, delivered_on);
}

TEST(threads_cache, delivers_what_the_function_throws) {
    EXPECT_THROW(call_in_thread([]() -> int { throw std::out_of_range("no"); }), std::out_of_range);
    EXPECT_THROW(call_in_thread([] { throw std::out_of_range("no"); }), std::out_of_range);
}

TEST(threads_cache, takes_functions_and_results_that_only_move) {
    auto number = std::make_unique<int>(3);
    const auto got = call_in_thread([number = std::move(number)]() mutable { return std::move(number); });
    EXPECT_EQ(*got, 3);
}

// case 68: deref
TEST(threads_cache, destroys_the_function_before_the_delivery_and_the_delivery_before_the_next_job) {
    const idle_thread_limit stay(1h);
    auto in_function = std::make_shared<int>();
    auto in_delivery = std::make_shared<int>();
    const std::weak_ptr<int> function_watched = in_function;
    const std::weak_ptr<int> delivery_watched = in_delivery;
    mailbox<bool> destroyed;
    start_thread_soon(
        [held = std::move(in_function)] {},
        [&, held = std::move(in_delivery)](tb::outcome<>) { destroyed.put(function_watched.expired()); });
    EXPECT_TRUE(destroyed.get());
    // The thread that became idle last takes this one, and only after it has let go of the delivery.
    EXPECT_TRUE(call_in_thread([&] { return delivery_watched.expired(); }));
}

// case 68: LIFO reuse
TEST(threads_cache, gives_the_next_job_to_the_thread_that_became_idle_last) {
    const idle_thread_limit stay(1h);
    std::latch both(2);
    mailbox<> release_first, release_second;
    mailbox<std::thread::id> first, second;
    const auto start = [&both](mailbox<>& go, mailbox<std::thread::id>& answer) {
        start_thread_soon(
            [&] {
                both.arrive_and_wait();
                go.get();
                return std::this_thread::get_id();
            },
            [&](tb::outcome<std::thread::id> got) { answer.put(std::move(got).value()); });
    };
    start(release_first, first);
    start(release_second, second);
    release_first.put();
    const std::thread::id older = first.get();
    release_second.put();
    const std::thread::id newer = second.get();
    EXPECT_NE(older, newer);
    for (int i = 0; i < 3; ++i) EXPECT_EQ(thread_called(), newer);
}

// case 68: spawning_new_thread_from_deliver_reuses_starting_thread
TEST(threads_cache, reuses_the_delivering_thread_for_a_job_that_its_delivery_starts) {
    const idle_thread_limit stay(1h);
    // Idle threads to choose from; the delivering one is the last to become idle.
    std::latch all(3);
    std::vector<mailbox<>> done(3);
    for (mailbox<>& answer : done)
        start_thread_soon([&] { all.arrive_and_wait(); }, [&](tb::outcome<>) { answer.put(); });
    for (mailbox<>& answer : done) answer.get();
    mailbox<std::thread::id> outer, inner;
    start_thread_soon(std::this_thread::get_id, [&](tb::outcome<std::thread::id> got) {
        start_thread_soon(std::this_thread::get_id, [&](tb::outcome<std::thread::id> got_inside) {
            inner.put(std::move(got_inside).value());
        });
        outer.put(std::move(got).value());
    });
    EXPECT_EQ(outer.get(), inner.get());
}

// case 68: idle_threads_exit
TEST(threads_cache, ends_a_thread_that_was_idle_for_too_long) {
    const idle_thread_limit stay(1h);
    mailbox<> ended;
    call_in_thread([&] { this_thread_ends.told = &ended; });
    const idle_thread_limit none(0ns);
    ended.get();
}

TEST(threads_cache, keeps_an_idle_thread_while_the_limit_has_not_passed) {
    const idle_thread_limit stay(1h);
    const auto first = thread_called();
    EXPECT_EQ(thread_called(), first);
}

// case 68: race_between_idle_exit_and_job_assignment
TEST(threads_cache, performs_every_job_although_threads_end_all_the_time) {
    const idle_thread_limit none(0ns);
    constexpr int jobs = 400;
    std::atomic<int> performed{0};
    {
        std::vector<std::jthread> starters;
        for (int i = 0; i < 3; ++i)
            starters.emplace_back([&] {
                for (int j = 0; j < jobs; ++j) call_in_thread([&] { ++performed; });
            });
    }
    EXPECT_EQ(performed, 3 * jobs);
}

// case 68: raise_in_deliver
TEST(threads_cache, prints_and_ignores_what_a_delivery_throws) {
    const idle_thread_limit stay(1h);
    testing::internal::CaptureStderr();
    mailbox<std::thread::id> answer;
    start_thread_soon(std::this_thread::get_id, [&](tb::outcome<std::thread::id> got) {
        answer.put(std::move(got).value());
        throw std::runtime_error("don't do this");
    });
    const std::thread::id failed_on = answer.get();
    // The next job finds the thread alive; when it runs there, the message has been printed.
    const std::thread::id next_on = thread_called();
    const std::string printed = testing::internal::GetCapturedStderr();
    EXPECT_EQ(next_on, failed_on);
    EXPECT_THAT(printed, testing::HasSubstr("don't do this"));
    EXPECT_THAT(printed, testing::HasSubstr("deliver"));
}

// case 80: named threads
TEST(threads_cache, names_the_thread_while_the_function_runs) {
    const idle_thread_limit stay(1h);
    EXPECT_EQ(call_in_thread(name_of_this_thread, "hasher"), "hasher");
    EXPECT_EQ(call_in_thread(name_of_this_thread), "tombolo worker");
    EXPECT_EQ(call_in_thread(name_of_this_thread, "a name that is far too long"), "a name that is ");
    mailbox<std::string> in_delivery;
    start_thread_soon([] {}, [&](tb::outcome<>) { in_delivery.put(name_of_this_thread()); }, "hasher");
    EXPECT_EQ(in_delivery.get(), "tombolo worker");
}

sigset_t signals_blocked_here() {
    sigset_t mask;
    ::pthread_sigmask(SIG_SETMASK, nullptr, &mask);
    return mask;
}

TEST(threads_cache, blocks_the_signals_of_its_threads_and_leaves_the_callers_alone) {
    const sigset_t before = signals_blocked_here();
    const sigset_t inside = call_in_thread(signals_blocked_here);
    const sigset_t after = signals_blocked_here();
    for (const int blocked : {SIGINT, SIGTERM, SIGCHLD, SIGUSR1, SIGPIPE, SIGALRM, SIGHUP}) {
        EXPECT_EQ(sigismember(&inside, blocked), 1) << blocked;
        EXPECT_EQ(sigismember(&before, blocked), sigismember(&after, blocked)) << blocked;
    }
    for (const int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL}) EXPECT_EQ(sigismember(&inside, fault), 0) << fault;
}

// case 80: fail_to_spawn
TEST(threads_cache, says_so_when_there_is_no_further_thread) {
    const idle_thread_limit stay(1h);
    std::vector<std::unique_ptr<mailbox<>>> done;
    std::latch let_go(1);
    std::weak_ptr<int> refused;
    const auto fill = [&] {
        const tb::testing::no_new_threads none;
        // Threads that idle since earlier tests take what they can.
        for (;;) {
            auto held = std::make_shared<int>();
            refused = held;
            auto answer = std::make_unique<mailbox<>>();
            start_thread_soon(
                [&, held = std::move(held)] { let_go.wait(); }, [to = answer.get()](tb::outcome<>) { to->put(); });
            done.push_back(std::move(answer));
        }
    };
    const std::string text = tb::testing::text_of<tb::thread_exhausted>(fill);
    EXPECT_TRUE(refused.expired());
    let_go.count_down();
    for (const auto& answer : done) answer->get();
    EXPECT_THAT(text, testing::HasSubstr("no further thread"));
    EXPECT_THAT(text, testing::HasSubstr("ulimit -u"));
    EXPECT_EQ(call_in_thread([] { return 1; }), 1);
}

TEST(threads_cache, refuses_empty_functions) {
    const std::function<void()> empty;
    const std::function<void(tb::outcome<>)> no_delivery;
    EXPECT_THROW(start_thread_soon(empty, [](const tb::outcome<>&) {}), tb::usage_error);
    EXPECT_THROW(start_thread_soon([] {}, no_delivery), tb::usage_error);
}

// case 68: clear_cache_after_fork
TEST(threads_cache, starts_empty_in_a_forked_child) {
#if defined(__SANITIZE_THREAD__)
    GTEST_SKIP() << "ThreadSanitizer cannot start threads in a forked child";
#endif
    const idle_thread_limit stay(1h);
    call_in_thread([] {});
    const pid_t child = ::fork();
    if (child == 0) ::_exit(call_in_thread([] { return 42; }));
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_TRUE(WIFEXITED(status));
    EXPECT_EQ(WEXITSTATUS(status), 42);
    EXPECT_EQ(call_in_thread([] { return 42; }), 42);
}

TEST(threads_cache, lets_a_child_forked_in_one_of_its_threads_end) {
#if defined(__SANITIZE_THREAD__)
    GTEST_SKIP() << "ThreadSanitizer cannot end the last thread of a forked child";
#elif defined(__SANITIZE_ADDRESS__)
    GTEST_SKIP() << "LeakSanitizer holds what the threads own that the child does not have for leaked";
#endif
    const idle_thread_limit none(0ns);
    // Goes on in the child as its only thread, which then idles, and ends, and with it the process.
    const pid_t child = call_in_thread([] { return ::fork(); });
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_TRUE(WIFEXITED(status));
    EXPECT_EQ(WEXITSTATUS(status), 0);
}

}  // namespace
