#include "test/fibers/thrown.hpp"

#include <tombolo/testing/test.hpp>
#include <tombolo/testing/wait_all_tasks_blocked.hpp>
#include <tombolo/tombolo.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include <pthread.h>

namespace {

namespace tb = tombolo;
using namespace std::chrono_literals;
using tb::lowlevel::signal_job;
using tb::testing::sorted_leaves;
using tb::testing::text_of;
using tb::testing::wait_all_tasks_blocked;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

static_assert(!std::is_copy_constructible_v<signal_job> && !std::is_move_constructible_v<signal_job>);

std::atomic<signal_job*> posted_by_handler = nullptr;

// A handler for SIGUSR1 that posts a job, for as long as this lives.
class posting_handler {
public:
    explicit posting_handler(signal_job& job) {
        posted_by_handler = &job;
        before_ = std::signal(SIGUSR1, [](int) { posted_by_handler.load()->post(); });
    }
    posting_handler(const posting_handler&) = delete;
    posting_handler& operator=(const posting_handler&) = delete;
    ~posting_handler() { std::signal(SIGUSR1, before_); }

private:
    void (*before_)(int) = SIG_DFL;
};

// L20
TOMBOLO_TEST(signal_job, is_called_by_the_run_after_a_signal_handler_has_posted_it) {
    int calls = 0;
    signal_job job([&] {
        ++calls;
        EXPECT_TRUE(tb::in_task());
    });
    const posting_handler handler(job);
    std::raise(SIGUSR1);
    EXPECT_EQ(calls, 0);
    wait_all_tasks_blocked();
    EXPECT_EQ(calls, 1);
    std::raise(SIGUSR1);
    wait_all_tasks_blocked();
    EXPECT_EQ(calls, 2);
}

TOMBOLO_TEST(signal_job, leaves_errno_to_the_code_that_the_signal_interrupts) {
    signal_job job([] {});
    const posting_handler handler(job);
    errno = EDOM;
    std::raise(SIGUSR1);
    EXPECT_EQ(errno, EDOM);
    wait_all_tasks_blocked();
}

TOMBOLO_TEST(signal_job, is_called_once_for_several_posts_before_the_call) {
    int calls = 0;
    signal_job job([&] { ++calls; });
    for (int i = 0; i < 5; ++i) {
        EXPECT_TRUE(job.post());
    }
    wait_all_tasks_blocked();
    EXPECT_EQ(calls, 1);
}

TOMBOLO_TEST(signal_job, is_called_again_when_it_is_posted_during_its_call) {
    int calls = 0;
    std::optional<signal_job> job;
    job.emplace([&] {
        if (++calls < 3) {
            EXPECT_TRUE(job->post());
        }
    });
    job->post();
    wait_all_tasks_blocked();
    EXPECT_EQ(calls, 3);
}

TOMBOLO_TEST(signal_job, is_called_in_a_pass_of_its_own_each_time_so_that_tasks_progress) {
    int calls = 0;
    std::optional<signal_job> job;
    job.emplace([&] {
        ++calls;
        job->post();
    });
    job->post();
    for (int i = 0; i < 50; ++i) {
        const int before = calls;
        tb::lowlevel::cancel_shielded_checkpoint();
        EXPECT_LE(calls - before, 2);
    }
    EXPECT_GT(calls, 20);
}

TOMBOLO_TEST(signal_job, is_not_called_once_it_is_destroyed) {
    auto owned = std::make_shared<int>(1);
    const std::weak_ptr<int> watched = owned;
    {
        signal_job job([owned = std::move(owned)] { ADD_FAILURE() << "called"; });
        EXPECT_TRUE(job.post());
    }
    EXPECT_TRUE(watched.expired());
    wait_all_tasks_blocked();
}

TOMBOLO_TEST(signal_job, may_be_destroyed_by_another_one_that_is_called_before_it) {
    int calls = 0;
    std::vector<std::unique_ptr<signal_job>> jobs;
    // Whichever is called first destroys the two others.
    for (std::size_t mine = 0; mine < 3; ++mine) {
        jobs.push_back(std::make_unique<signal_job>([&jobs, &calls, mine] {
            ++calls;
            for (std::size_t other = 0; other < jobs.size(); ++other) {
                if (other != mine) {
                    jobs[other].reset();
                }
            }
        }));
    }
    for (const auto& job : jobs) {
        job->post();
    }
    wait_all_tasks_blocked();
    EXPECT_EQ(calls, 1);
}

TOMBOLO_TEST(signal_job, may_make_another_one_in_its_call) {
    bool called = false;
    std::optional<signal_job> second;
    signal_job first([&] {
        second.emplace([&] { called = true; });
        second->post();
    });
    first.post();
    wait_all_tasks_blocked();
    EXPECT_TRUE(called);
}

// case 47
TEST(signal_job, ends_the_run_with_internal_error_when_its_function_throws) {
    const auto main = [] {
        signal_job job([] { throw std::runtime_error("job"); });
        job.post();
        EXPECT_THROW(tb::sleep_forever(), tb::cancelled);
    };
    try {
        tb::run(main);
        ADD_FAILURE() << "the run ended well";
    } catch (const tb::internal_error& error) {
        EXPECT_THAT(sorted_leaves(error.cause()), ElementsAre("job"));
    }
}

TOMBOLO_TEST(signal_job, must_not_block) {
    bool called = false;
    signal_job job([&] {
        called = true;
        EXPECT_THAT(text_of<tb::checkpoint_forbidden>([] { tb::checkpoint(); }), HasSubstr("must not block"));
    });
    job.post();
    wait_all_tasks_blocked();
    EXPECT_TRUE(called);
}

TOMBOLO_TEST(signal_job, refuses_an_empty_function) {
    const auto make = [] { const signal_job job{tb::unique_function<void()>()}; };
    EXPECT_THAT(text_of<tb::usage_error>(make), HasSubstr("something to call"));
}

TEST(signal_job, is_called_when_it_was_posted_before_the_run_shut_down_and_says_when_it_is_too_late) {
    std::optional<signal_job> job;
    int calls = 0;
    bool too_late = false;
    tb::run([&] {
        job.emplace([&] {
            ++calls;
            too_late = !job->post();
        });
        job->post();
    });
    // It posts itself until the run refuses, in the last calls of all.
    EXPECT_TRUE(too_late);
    EXPECT_GE(calls, 1);
    EXPECT_FALSE(job->post());
}

// case 49
TEST(threads_signal_job, wakes_a_sleeping_run_when_another_thread_signals_it) {
    constexpr int rounds = 100;
    tb::run([&] {
        std::atomic<int> calls = 0;
        tb::lowlevel::parking_lot lot;
        signal_job job([&] {
            ++calls;
            calls.notify_one();
            lot.unpark_all();
        });
        const posting_handler handler(job);
        const std::jthread signaller([&, target = ::pthread_self()] {
            for (int i = 0; i < rounds; ++i) {
                EXPECT_EQ(::pthread_kill(target, SIGUSR1), 0);
                calls.wait(i);
            }
        });
        while (calls < rounds) {
            tb::fail_after(60s, [&] { lot.park(); });
        }
    });
}

// case 49
TEST(threads_signal_job, wakes_a_sleeping_run_when_another_thread_posts_it) {
    constexpr int rounds = 200;
    tb::run([&] {
        std::atomic<int> calls = 0;
        tb::lowlevel::parking_lot lot;
        signal_job job([&] {
            ++calls;
            calls.notify_one();
            lot.unpark_all();
        });
        const std::jthread poster([&] {
            for (int i = 0; i < rounds; ++i) {
                EXPECT_TRUE(job.post());
                calls.wait(i);
            }
        });
        while (calls < rounds) {
            tb::fail_after(60s, [&] { lot.park(); });
        }
    });
}

// L23
TEST(threads_signal_job, is_called_for_every_post_that_was_accepted_even_when_the_run_ends_meanwhile) {
    for (int repetition = 0; repetition < 50; ++repetition) {
        std::optional<signal_job> job;
        std::atomic<bool> begun = false;
        std::atomic<bool> ended = false;
        std::atomic<int> accepted = 0;
        std::atomic<int> calls = 0;
        std::jthread poster([&] {
            begun.wait(false);
            while (job->post()) {
                ++accepted;
                // One post at a time, so that none is merged with another.
                while (calls < accepted && !ended) {
                    std::this_thread::yield();
                }
            }
        });
        tb::run([&] {
            job.emplace([&] { ++calls; });
            begun = true;
            begun.notify_one();
            while (accepted < 3) {
                tb::checkpoint();
                std::this_thread::yield();
            }
            for (int i = 0; i < repetition; ++i) {
                tb::checkpoint();
            }
        });
        ended = true;
        poster.join();
        EXPECT_EQ(calls.load(), accepted.load());
        job.reset();
    }
}

}  // namespace
