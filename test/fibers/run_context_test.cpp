#include "test/fibers/thrown.hpp"

#include <tombolo/testing/checkpoints.hpp>
#include <tombolo/testing/test.hpp>
#include <tombolo/testing/wait_all_tasks_blocked.hpp>
#include <tombolo/tombolo.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <functional>
#include <iostream>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <tuple>
#include <vector>

// What code may do depends on where it runs: outside a run, in a task, between the steps of tasks, on another thread.
namespace {

namespace tb = tombolo;
using namespace std::chrono_literals;
using tb::testing::text_of;
using tb::testing::thrown_by;
using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;

struct named_call {
    std::string_view name;  // as it stands in error texts
    std::function<void()> call;
};

// Functions that need a run, not a task.
std::vector<named_call> calls_that_need_a_run() {
    static tb::instrument watcher;
    static tb::run_local<int> variable{0};
    return {
        {"now", [] { tb::now(); }},
        {"current_clock", [] { tb::lowlevel::current_clock(); }},
        {"current_root_task", [] { tb::lowlevel::current_root_task(); }},
        {"current_run_token", [] { tb::lowlevel::current_run_token(); }},
        {"current_statistics", [] { tb::lowlevel::current_statistics(); }},
        {"task_tree", [] { tb::lowlevel::task_tree(); }},
        {"dump_tasks", [] { tb::lowlevel::dump_tasks(std::cout); }},
        {"spawn_system_task", [] { tb::lowlevel::spawn_system_task([] {}); }},
        {"add_instrument", [] { tb::lowlevel::add_instrument(&watcher); }},
        {"remove_instrument", [] { tb::lowlevel::remove_instrument(watcher); }},
        {"signal_job", [] { tb::lowlevel::signal_job job([] {}); }},
        {"run_local", [] { variable.get(); }},
        {"notify_closing", [] { tb::lowlevel::notify_closing(0); }},
    };
}

// Functions that need a current task but do not block.
std::vector<named_call> calls_that_need_a_task() {
    return {
        {"current_task", [] { tb::lowlevel::current_task(); }},
        {"current_effective_deadline", [] { tb::current_effective_deadline(); }},
        {"current_checkpoint_counts", [] { tb::lowlevel::current_checkpoint_counts(); }},
        {"no_checkpoint", [] { const tb::no_checkpoint section; }},
        {"next_wait", [] { tb::lowlevel::next_wait(); }},
        {"cancel_scope", [] { tb::cancel_scope().run([] { ADD_FAILURE() << "the body ran"; }); }},
    };
}

constexpr auto give_up = [](const tb::lowlevel::raise_cancel&) { return tb::lowlevel::abort::succeeded; };

// Functions that may block.
std::vector<named_call> calls_that_block() {
    return {
        {"checkpoint", [] { tb::checkpoint(); }},
        {"checkpoint_if_cancelled", [] { tb::lowlevel::checkpoint_if_cancelled(); }},
        {"cancel_shielded_checkpoint", [] { tb::lowlevel::cancel_shielded_checkpoint(); }},
        {"sleep_until", [] { tb::sleep_until(tb::time_point::min()); }},
        {"sleep_for", [] { tb::sleep_for(0s); }},
        {"sleep_forever", [] { tb::sleep_forever(); }},
        {"my wait", [] { tb::lowlevel::park<void>(give_up, "my wait"); }},
        {"open_nursery", [] { tb::open_nursery([](tb::nursery&) { ADD_FAILURE() << "the body ran"; }); }},
        {"wait_readable", [] { tb::lowlevel::wait_readable(0); }},
        {"wait_writable", [] { tb::lowlevel::wait_writable(0); }},
        {"wait_all_tasks_blocked", [] { tb::testing::wait_all_tasks_blocked(); }},
    };
}

template <class Error>
void expect_refusal(const std::vector<named_call>& calls, std::string_view advice) {
    for (const named_call& refused : calls) {
        SCOPED_TRACE(refused.name);
        const std::string text = text_of<Error>(refused.call);
        EXPECT_THAT(text, HasSubstr(std::string(refused.name)));
        EXPECT_THAT(text, HasSubstr(std::string(advice)));
    }
}

TEST(run_context, outside_a_run_every_function_says_that_it_needs_one) {
    expect_refusal<tb::not_in_run>(calls_that_need_a_run(), "inside tombolo::run");
    expect_refusal<tb::not_in_run>(calls_that_need_a_task(), "inside tombolo::run");
    expect_refusal<tb::not_in_run>(calls_that_block(), "inside tombolo::run");
}

// R14
TEST(run_context, outside_a_run_there_is_neither_a_run_nor_a_task_nor_a_flavour) {
    EXPECT_FALSE(tb::in_run());
    EXPECT_FALSE(tb::in_task());
    EXPECT_EQ(tb::current_flavour(), tb::flavour::none);
    tb::run([] {});
    EXPECT_FALSE(tb::in_run());
    EXPECT_FALSE(tb::in_task());
    EXPECT_EQ(tb::current_flavour(), tb::flavour::none);
}

// R14
TOMBOLO_TEST(run_context, in_a_task_there_is_a_run_a_task_and_the_fiber_flavour) {
    const auto look = [] {
        EXPECT_TRUE(tb::in_run());
        EXPECT_TRUE(tb::in_task());
        EXPECT_EQ(tb::current_flavour(), tb::flavour::fiber);
    };
    look();
    tb::open_nursery([&](tb::nursery& n) { n.start_soon(look); });
    tb::lowlevel::spawn_system_task(look);
    tb::lowlevel::current_run_token().run_sync_soon(look);
    tb::testing::wait_all_tasks_blocked();
}

struct between_steps final : tb::instrument {
    explicit between_steps(std::function<void()> look) : look_(std::move(look)) {}
    void before_io_wait(tb::duration) override {
        if (!looked_) {
            looked_ = true;
            look_();
        }
    }
    std::function<void()> look_;
    bool looked_ = false;
};

// R14
TOMBOLO_TEST(run_context, between_the_steps_of_tasks_there_is_a_run_but_no_task) {
    between_steps watcher([] {
        EXPECT_TRUE(tb::in_run());
        EXPECT_FALSE(tb::in_task());
        EXPECT_EQ(tb::current_flavour(), tb::flavour::none);
        for (const named_call& allowed : {calls_that_need_a_run()[0], calls_that_need_a_run()[1]}) {
            allowed.call();
        }
        expect_refusal<tb::not_in_task>(calls_that_need_a_task(), "call it from a task");
        expect_refusal<tb::checkpoint_forbidden>(calls_that_block(), "an instrument must not block");
    });
    tb::lowlevel::add_instrument(&watcher);
    tb::testing::wait_all_tasks_blocked();
    tb::lowlevel::remove_instrument(watcher);
    EXPECT_TRUE(watcher.looked_);
}

// R14
TOMBOLO_TEST(run_context, an_abort_function_has_the_task_that_cancels_as_its_current_task_and_must_not_block) {
    bool looked = false;
    tb::task& canceller = tb::lowlevel::current_task();
    tb::open_nursery([&](tb::nursery& n) {
        n.start_soon([&] {
            tb::lowlevel::park<void>([&](const tb::lowlevel::raise_cancel&) {
                EXPECT_TRUE(tb::in_run());
                EXPECT_TRUE(tb::in_task());
                EXPECT_EQ(&tb::lowlevel::current_task(), &canceller);
                expect_refusal<tb::checkpoint_forbidden>(calls_that_block(), "an abort function must not block");
                looked = true;
                return tb::lowlevel::abort::succeeded;
            });
        });
        tb::testing::wait_all_tasks_blocked();
        EXPECT_FALSE(looked);
        n.cancel_scope().cancel();
        EXPECT_TRUE(looked);
    });
    tb::checkpoint();
}

TOMBOLO_TEST(run_context, a_run_sync_soon_callback_must_not_block_but_may_start_tasks) {
    bool looked = false;
    bool child_ran = false;
    tb::open_nursery([&](tb::nursery& n) {
        tb::lowlevel::current_run_token().run_sync_soon([&] {
            expect_refusal<tb::checkpoint_forbidden>(calls_that_block(), "a run_sync_soon callback must not block");
            n.start_soon([&] { child_ran = true; });
            looked = true;
        });
        tb::testing::wait_all_tasks_blocked();
    });
    EXPECT_TRUE(looked);
    EXPECT_TRUE(child_ran);
}

TOMBOLO_TEST(run_context, a_no_checkpoint_section_refuses_what_may_block_and_allows_it_again_afterwards) {
    {
        const tb::no_checkpoint section;
        expect_refusal<tb::checkpoint_forbidden>(calls_that_block(), "move the blocking call out");
    }
    tb::testing::assert_checkpoints([] { tb::checkpoint(); });
}

// R19
TOMBOLO_TEST(run_context, every_task_descends_from_the_root_task) {
    tb::task& root = tb::lowlevel::current_root_task();
    EXPECT_EQ(root.parent_nursery(), nullptr);
    EXPECT_EQ(root.eventual_parent_nursery(), nullptr);
    const auto climb = [&] {
        const tb::task* ancestor = &tb::lowlevel::current_task();
        EXPECT_NE(ancestor, &root);
        for (int height = 0; ancestor->parent_nursery() != nullptr; ++height) {
            ASSERT_LT(height, 100);
            ancestor = &ancestor->parent_nursery()->parent_task();
        }
        EXPECT_EQ(ancestor, &root);
        EXPECT_EQ(&tb::lowlevel::current_root_task(), &root);
    };
    climb();
    tb::open_nursery([&](tb::nursery& n) {
        n.start_soon(climb);
        n.start([&](tb::task_status<>& status) {
            climb();
            status.started();
            climb();
        });
    });
    tb::lowlevel::spawn_system_task(climb);
    tb::lowlevel::current_run_token().run_sync_soon(climb);
    tb::testing::wait_all_tasks_blocked();
}

// R2
TEST(threads_run, runs_on_different_threads_are_independent) {
    constexpr int threads = 4;
    std::array<int, threads> sums{};
    std::array<std::set<const void*>, threads> roots;
    {
        std::vector<std::jthread> workers;
        for (int t = 0; t < threads; ++t) {
            workers.emplace_back([&sums, &roots, t] {
                for (int repetition = 0; repetition < 20; ++repetition) {
                    sums.at(t) += tb::run([&] {
                        roots.at(t).insert(&tb::lowlevel::current_root_task());
                        int sum = 0;
                        tb::open_nursery([&](tb::nursery& n) {
                            for (int i = 0; i < 10; ++i) {
                                n.start_soon([&sum] {
                                    tb::checkpoint();
                                    ++sum;
                                });
                            }
                        });
                        return sum;
                    });
                }
            });
        }
    }
    for (const int sum : sums) {
        EXPECT_EQ(sum, 200);
    }
    for (const auto& seen : roots) {
        EXPECT_FALSE(seen.empty());
    }
}

// R20
TEST(threads_run, objects_of_a_run_refuse_other_threads) {
    tb::cancel_scope scope;
    int refused = 0;
    const auto expect_wrong_thread = [&](const std::function<void()>& call) {
        EXPECT_THAT(text_of<tb::wrong_thread>(call), HasSubstr("run_token"));
        ++refused;
    };
    const auto misuse = [&](tb::nursery& n, tb::task& sleeper) {
        expect_wrong_thread([&] { scope.cancel(); });
        expect_wrong_thread([&] { scope.shield(true); });
        expect_wrong_thread([&] { scope.deadline(tb::time_point::min()); });
        expect_wrong_thread([&] { tb::lowlevel::reschedule(sleeper); });
        // Without a run of its own the thread is told that start_soon needs one, with one that it is the wrong one.
        EXPECT_NE(thrown_by([&] { n.start_soon([] { ADD_FAILURE() << "the child ran"; }); }), nullptr);
        ++refused;
    };
    const auto misuse_in_a_run = [&](tb::nursery& n, tb::task& sleeper) {
        tb::run([&] {
            misuse(n, sleeper);
            expect_wrong_thread([&] { n.start_soon([] { ADD_FAILURE() << "the child ran"; }); });
            const auto start = [](tb::task_status<>&) { ADD_FAILURE() << "the child ran"; };
            expect_wrong_thread([&] { n.start(start); });
        });
    };
    tb::run([&] {
        scope.run([&] {
            tb::open_nursery([&](tb::nursery& n) {
                tb::task* sleeper = nullptr;
                n.start_soon([&] {
                    sleeper = &tb::lowlevel::current_task();
                    tb::lowlevel::park<void>(give_up);
                });
                tb::testing::wait_all_tasks_blocked();
                std::thread([&] { misuse(n, *sleeper); }).join();
                std::thread([&] { misuse_in_a_run(n, *sleeper); }).join();
                EXPECT_EQ(n.child_tasks().size(), 1U);
                EXPECT_FALSE(scope.cancel_called());
                tb::lowlevel::reschedule(*sleeper);
            });
        });
    });
    EXPECT_EQ(refused, 12);
}

}  // namespace
