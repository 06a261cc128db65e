#include "test/fibers/thrown.hpp"
#include "test/support/mailbox.hpp"
#include "test/support/worker_threads.hpp"

#include <tombolo/testing/test.hpp>
#include <tombolo/testing/threads.hpp>
#include <tombolo/testing/wait_all_tasks_blocked.hpp>
#include <tombolo/tombolo.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <deque>
#include <memory>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace {

namespace tb = tombolo;
using namespace std::chrono_literals;
using tb::testing::mailbox;
using tb::testing::text_of;
using tb::testing::thrown_by;
using tb::testing::wait_all_tasks_blocked;
using testing::ElementsAre;

// H12
TOMBOLO_TEST(to_thread_limiter, is_one_of_forty_in_each_run_unless_one_is_named) {
    tb::capacity_limiter& limiter = tb::current_default_thread_limiter();
    EXPECT_EQ(limiter.total(), 40U);
    EXPECT_EQ(&tb::current_default_thread_limiter(), &limiter);
    mailbox<> go;
    tb::open_nursery([&](tb::nursery& n) {
        n.start_soon([&] { tb::to_thread([&] { go.get(); }); });
        wait_all_tasks_blocked();
        EXPECT_EQ(limiter.borrowed(), 1U);
        go.put();
    });
    EXPECT_EQ(limiter.borrowed(), 0U);
    limiter.total(3);
    std::jthread([&] { tb::run([&] { EXPECT_EQ(tb::current_default_thread_limiter().total(), 40U); }); }).join();
    EXPECT_EQ(tb::current_default_thread_limiter().total(), 3U);
}

TEST(to_thread_limiter, is_not_known_outside_runs) {
    EXPECT_THROW(tb::current_default_thread_limiter(), tb::not_in_run);
}

// case 78: limiter matrix
struct matrix_case {
    std::size_t limit;
    bool default_limiter;
    bool cancel;
};
class to_thread_limiter_matrix : public testing::TestWithParam<matrix_case> {};

TEST_P(to_thread_limiter_matrix, keeps_the_threads_that_exist_at_a_time_within_its_total) {
    const auto [limit, use_default, cancel] = GetParam();
    struct record {
        std::atomic<std::size_t> running{0};
        std::atomic<std::size_t> most{0};
        std::atomic<std::size_t> started{0};
        std::deque<mailbox<>> gates;
    };
    constexpr std::size_t jobs = 10;
    const auto shared = std::make_shared<record>();
    shared->gates.resize(jobs);
    tb::testing::test_report report =
        tb::testing::run_test_body([&, limit = limit, use_default = use_default, cancel = cancel] {
            tb::capacity_limiter own(limit);
            tb::capacity_limiter& limiter = use_default ? tb::current_default_thread_limiter() : own;
            limiter.total(limit);
            const auto job = [shared] {
                const std::size_t running = ++shared->running;
                for (std::size_t most = shared->most;
                     most < running && !shared->most.compare_exchange_weak(most, running);) {}
                shared->gates[shared->started++].get();
                --shared->running;
            };
            tb::open_nursery([&](tb::nursery& n) {
                for (std::size_t i = 0; i < jobs; ++i)
                    n.start_soon([&] {
                        tb::to_thread(
                            job,
                            {.limiter = use_default ? tb::thread_limiter_ref() : tb::thread_limiter_ref(&own),
                             .abandon_on_cancel = cancel});
                    });
                // As many as the limiter allows begin, and no more come however long one waits.
                while (shared->started < limit) tb::checkpoint();
                wait_all_tasks_blocked();
                EXPECT_EQ(shared->started, limit);
                EXPECT_EQ(limiter.borrowed(), limit);
                EXPECT_EQ(limiter.statistics().tasks_waiting, jobs - limit);
                if (cancel) {
                    n.cancel_scope().cancel();
                    tb::open_nursery([&](tb::nursery&) {}, {});
                } else {
                    for (auto& gate : shared->gates) gate.put();
                }
            });
            if (cancel) {
                // The tasks are gone, the threads are not, and neither are their tokens.
                EXPECT_EQ(tb::testing::active_thread_count(), 0U);
                EXPECT_EQ(limiter.borrowed(), limit);
                EXPECT_EQ(shared->running, limit);
                for (auto& gate : shared->gates) gate.put();
                while (limiter.borrowed() != 0) tb::checkpoint();
            }
            EXPECT_EQ(limiter.borrowed(), 0U);
        });
    EXPECT_EQ(report.failure, "");
    EXPECT_EQ(shared->most, limit);
    EXPECT_EQ(shared->started, cancel ? limit : jobs);
}

INSTANTIATE_TEST_SUITE_P(
    all, to_thread_limiter_matrix,
    testing::Values(
        matrix_case{3, false, false}, matrix_case{3, false, true}, matrix_case{3, true, false},
        matrix_case{3, true, true}, matrix_case{1, false, false}, matrix_case{1, true, true}));

// case 78: custom limiter
struct recording_limiter {
    std::vector<std::string> calls;
    std::set<const void*> borrowers;
    void acquire_on_behalf_of(const void* borrower) {
        calls.emplace_back("acquire");
        EXPECT_TRUE(borrowers.insert(borrower).second) << "the same borrower twice";
    }
    void release_on_behalf_of(const void* borrower) {
        calls.emplace_back("release");
        EXPECT_EQ(borrowers.erase(borrower), 1U) << "another borrower";
    }
};

TOMBOLO_TEST(to_thread_limiter, may_be_anything_with_its_two_verbs) {
    recording_limiter limiter;
    tb::to_thread([&] { EXPECT_EQ(limiter.borrowers.size(), 1U); }, {.limiter = &limiter});
    EXPECT_THAT(limiter.calls, ElementsAre("acquire", "release"));
    EXPECT_TRUE(limiter.borrowers.empty());
    EXPECT_EQ(tb::current_default_thread_limiter().borrowed(), 0U);
    EXPECT_THROW(tb::to_thread([] { throw std::runtime_error("no"); }, {.limiter = &limiter}), std::runtime_error);
    EXPECT_TRUE(limiter.borrowers.empty());
}

TOMBOLO_TEST(to_thread_limiter, may_wait_in_acquire_and_be_cancelled_there) {
    struct closed_limiter {
        bool released = false;
        void acquire_on_behalf_of(const void*) { tb::sleep_forever(); }
        void release_on_behalf_of(const void*) { released = true; }
    } limiter;
    bool called = false;
    EXPECT_FALSE(tb::move_on_after(1s, [&] { tb::to_thread([&] { called = true; }, {.limiter = &limiter}); }));
    EXPECT_FALSE(called);
    EXPECT_FALSE(limiter.released);
}

// case 78: acquire error means no thread
TOMBOLO_TEST(to_thread_limiter, that_fails_to_acquire_means_no_thread) {
    struct failing {
        void acquire_on_behalf_of(const void*) { throw std::domain_error("full"); }
        void release_on_behalf_of(const void*) { ADD_FAILURE(); }
    } limiter;
    bool called = false;
    EXPECT_THROW(tb::to_thread([&] { called = true; }, {.limiter = &limiter}), std::domain_error);
    EXPECT_FALSE(called);
    EXPECT_EQ(tb::testing::active_thread_count(), 0U);
}

// case 78: release error replaces the result
struct fails_to_release {
    void acquire_on_behalf_of(const void*) {}
    void release_on_behalf_of(const void*) { throw std::domain_error("release"); }
};

TOMBOLO_TEST(to_thread_limiter, that_fails_to_release_replaces_the_result) {
    fails_to_release limiter;
    EXPECT_EQ(text_of<std::domain_error>([&] { tb::to_thread([] { return 1; }, {.limiter = &limiter}); }), "release");
    const auto both = tb::testing::sorted_leaves(
        thrown_by([&] { tb::to_thread([] { throw std::out_of_range("call"); }, {.limiter = &limiter}); }));
    EXPECT_EQ(both.size(), 2U);
    EXPECT_THAT(both, testing::Contains(testing::HasSubstr("release")));
    EXPECT_THAT(both, testing::Contains(testing::HasSubstr("call")));
}

TOMBOLO_TEST(to_thread_limiter, that_fails_to_release_an_abandoned_call_harms_nobody) {
    fails_to_release limiter;
    const auto go = std::make_shared<mailbox<>>();
    const auto ended = std::make_shared<int>();
    EXPECT_FALSE(tb::move_on_after(
        1s, [&] { tb::to_thread([go, ended] { go->get(); }, {.limiter = &limiter, .abandon_on_cancel = true}); }));
    go->put();
    while (ended.use_count() != 1) tb::checkpoint();
    tb::to_thread([] {});
}

// case 80: fail_to_spawn releases token
TOMBOLO_TEST(to_thread_limiter, gets_its_token_back_when_there_is_no_thread) {
    {
        // No thread idles that could do it.
        const tb::testing::idle_thread_limit none(0ns);
        const tb::testing::no_new_threads refused;
        std::string text;
        bool called = false;
        // Threads that idle since earlier tests are on their way out.
        for (;;) {
            called = false;
            const std::exception_ptr error = thrown_by([&] { tb::to_thread([&] { called = true; }); });
            if (error == nullptr) continue;
            text = text_of<tb::thread_exhausted>([&] { std::rethrow_exception(error); });
            break;
        }
        EXPECT_FALSE(called);
        EXPECT_THAT(text, testing::HasSubstr("no further thread"));
    }
    EXPECT_EQ(tb::current_default_thread_limiter().borrowed(), 0U);
    EXPECT_EQ(tb::testing::active_thread_count(), 0U);
    tb::to_thread([] {});
}

}  // namespace
