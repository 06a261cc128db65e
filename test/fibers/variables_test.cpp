#include "test/fibers/thrown.hpp"

#include <tombolo/testing/test.hpp>
#include <tombolo/testing/wait_all_tasks_blocked.hpp>
#include <tombolo/tombolo.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace {

namespace tb = tombolo;
using namespace std::chrono_literals;
using tb::testing::text_of;
using tb::testing::wait_all_tasks_blocked;
using ::testing::HasSubstr;

tb::task_local<int> number{0};
tb::task_local<std::string> word;

// ---- task_local

TOMBOLO_TEST(task_local, has_its_default_or_a_fallback_until_it_is_set) {
    EXPECT_EQ(number.get(), 0);
    EXPECT_EQ(number.get(5), 0);
    EXPECT_EQ(word.get("fallback"), "fallback");
    EXPECT_THAT(text_of<tb::unset_variable>([] { static_cast<void>(word.get()); }), HasSubstr("set() it first"));
    word.set("value");
    EXPECT_EQ(word.get(), "value");
    EXPECT_EQ(word.get("fallback"), "value");
}

// case 20
TOMBOLO_TEST(task_local, gives_a_child_a_snapshot_of_its_spawners_values) {
    number.set(1);
    tb::open_nursery([](tb::nursery& n) {
        n.start_soon([] { EXPECT_EQ(number.get(), 1); });
        number.set(2);
        n.start_soon([] { EXPECT_EQ(number.get(), 2); });
        number.set(3);
        EXPECT_EQ(number.get(), 3);
    });
    EXPECT_EQ(number.get(), 3);
}

// case 20
TOMBOLO_TEST(task_local, gives_a_child_the_values_of_the_task_that_spawns_it_not_of_the_nurserys) {
    number.set(1);
    tb::open_nursery([](tb::nursery& n) {
        n.start_soon([&] {
            number.set(2);
            n.start_soon([] { EXPECT_EQ(number.get(), 2); });
        });
        n.start([](tb::task_status<>& status) {
            EXPECT_EQ(number.get(), 1);
            number.set(4);
            status.started();
            EXPECT_EQ(number.get(), 4);
        });
        EXPECT_EQ(number.get(), 1);
    });
}

// case 20
TOMBOLO_TEST(task_local, keeps_what_tasks_set_apart_across_checkpoints) {
    number.set(-1);
    tb::open_nursery([](tb::nursery& n) {
        for (int i = 0; i < 10; ++i) {
            n.start_soon([i] {
                EXPECT_EQ(number.get(), -1);
                for (int step = 0; step < 5; ++step) {
                    number.set(i * 100 + step);
                    tb::checkpoint();
                    EXPECT_EQ(number.get(), i * 100 + step);
                }
                tb::open_nursery(
                    [i](tb::nursery& inner) { inner.start_soon([i] { EXPECT_EQ(number.get(), i * 100 + 4); }); });
            });
        }
    });
    EXPECT_EQ(number.get(), -1);
}

TOMBOLO_TEST(task_local, goes_back_to_the_value_before_a_set) {
    tb::variable_token first = number.set(1);
    tb::variable_token second = number.set(2);
    tb::variable_token of_word = word.set("value");
    number.reset(second);
    EXPECT_EQ(number.get(), 1);
    number.reset(first);
    EXPECT_EQ(number.get(), 0);
    word.reset(of_word);
    EXPECT_EQ(word.get("unset"), "unset");
}

// L17
TOMBOLO_TEST(task_local, takes_each_token_once_and_only_its_own) {
    tb::variable_token token = number.set(1);
    const auto reset_word = [&] { word.reset(token); };
    EXPECT_THAT(text_of<tb::variable_token_misuse>(reset_word), HasSubstr("another variable"));
    EXPECT_EQ(number.get(), 1);
    number.reset(token);
    number.set(7);
    const auto reset_again = [&] { number.reset(token); };
    EXPECT_THAT(text_of<tb::variable_token_misuse>(reset_again), HasSubstr("once"));
    EXPECT_EQ(number.get(), 7);
}

TOMBOLO_TEST(task_local, takes_a_token_once_even_when_it_was_moved) {
    number.set(1);
    tb::variable_token token = number.set(2);
    tb::variable_token moved = std::move(token);
    number.reset(moved);
    EXPECT_EQ(number.get(), 1);
    const auto reset_moved_from = [&] { number.reset(token); };  // NOLINT(bugprone-use-after-move): that is the test
    static_cast<void>(text_of<tb::variable_token_misuse>(reset_moved_from));
    EXPECT_EQ(number.get(), 1);
}

TOMBOLO_TEST(task_local, refuses_the_token_of_another_task) {
    number.set(1);
    tb::variable_token token = number.set(2);
    tb::open_nursery([&](tb::nursery& n) {
        n.start_soon([&] {
            const auto reset = [&] { number.reset(token); };
            EXPECT_THAT(text_of<tb::variable_token_misuse>(reset), HasSubstr("task"));
            EXPECT_EQ(number.get(), 2);
        });
    });
    number.reset(token);
    EXPECT_EQ(number.get(), 1);
}

// L18
TEST(task_local, starts_a_run_from_the_values_of_its_thread_and_does_not_write_back) {
    EXPECT_EQ(number.get(), 0);
    tb::variable_token token = number.set(10);
    tb::run([] {
        EXPECT_EQ(number.get(), 10);
        number.set(11);
        word.set("inside");
        tb::checkpoint();
        EXPECT_EQ(number.get(), 11);
    });
    EXPECT_EQ(number.get(), 10);
    EXPECT_EQ(word.get("unset"), "unset");
    number.reset(token);
    EXPECT_EQ(number.get(), 0);
}

// case 20
TEST(task_local, shows_system_tasks_and_posted_calls_the_values_of_the_moment_run_was_called) {
    tb::variable_token token = number.set(10);
    int looked = 0;
    const auto look = [&] {
        EXPECT_EQ(number.get(), 10);
        ++looked;
    };
    tb::run([&] {
        number.set(20);
        tb::lowlevel::spawn_system_task([&] {
            look();
            number.set(30);
            tb::open_nursery([](tb::nursery& n) { n.start_soon([] { EXPECT_EQ(number.get(), 30); }); });
        });
        tb::lowlevel::spawn_system_task(look);
        tb::lowlevel::current_run_token().run_sync_soon(look);
        wait_all_tasks_blocked();
        EXPECT_EQ(number.get(), 20);
    });
    EXPECT_EQ(looked, 3);
    number.reset(token);
}

TOMBOLO_TEST(task_local, gives_a_task_that_a_posted_call_starts_the_values_of_that_call) {
    number.set(20);
    tb::open_nursery([](tb::nursery& n) {
        tb::lowlevel::current_run_token().run_sync_soon([&] { n.start_soon([] { EXPECT_EQ(number.get(), 0); }); });
        wait_all_tasks_blocked();
    });
}

struct spawning_instrument final : tb::instrument {
    void before_io_wait(tb::duration) override {
        if (target != nullptr) {
            number.set(number.get() + 1);
            std::exchange(target, nullptr)->start_soon([this] { seen = number.get(); });
        }
    }
    tb::nursery* target = nullptr;
    int seen = -1;
};

TOMBOLO_TEST(task_local, gives_a_task_that_an_instrument_starts_the_values_that_the_instrument_sees) {
    spawning_instrument watcher;
    tb::lowlevel::add_instrument(&watcher);
    number.set(20);
    tb::open_nursery([&](tb::nursery& n) {
        watcher.target = &n;
        wait_all_tasks_blocked();
    });
    tb::lowlevel::remove_instrument(watcher);
    EXPECT_EQ(watcher.seen, 1);
}

TOMBOLO_TEST(task_local, holds_what_can_only_be_moved_and_lets_go_of_it_with_the_last_task) {
    static tb::task_local<std::unique_ptr<std::shared_ptr<int>>> owner;
    auto shared = std::make_shared<int>(7);
    const std::weak_ptr<int> watched = shared;
    tb::open_nursery([&](tb::nursery& n) {
        n.start_soon([shared = std::move(shared)]() mutable {
            owner.set(std::make_unique<std::shared_ptr<int>>(std::move(shared)));
            tb::open_nursery([](tb::nursery& inner) {
                inner.start_soon([] {
                    tb::checkpoint();
                    EXPECT_EQ(**owner.get(), 7);
                });
            });
        });
    });
    EXPECT_TRUE(watched.expired());
}

TEST(threads_task_local, has_values_of_its_own_on_each_thread) {
    tb::variable_token token = number.set(10);
    std::thread([] {
        EXPECT_EQ(number.get(), 0);
        number.set(11);
        tb::run([] { EXPECT_EQ(number.get(), 11); });
    }).join();
    EXPECT_EQ(number.get(), 10);
    number.reset(token);
}

// ---- run_local

tb::run_local<std::vector<int>> list;
tb::run_local<int> counter{100};

// L17
TEST(run_local, has_one_value_in_each_run) {
    for (int run = 0; run < 3; ++run) {
        tb::run([run] {
            EXPECT_THAT(text_of<tb::unset_variable>([] { list.get(); }), HasSubstr("set() it first"));
            EXPECT_TRUE(list.get(std::vector<int>{}).empty());
            list.set({run});
            tb::open_nursery([](tb::nursery& n) { n.start_soon([] { list.get().push_back(1); }); });
            EXPECT_EQ(list.get(), (std::vector<int>{run, 1}));
            EXPECT_EQ(list.get(std::vector<int>{}), (std::vector<int>{run, 1}));
        });
    }
}

TEST(run_local, starts_every_run_with_its_default) {
    for (int run = 0; run < 3; ++run) {
        tb::run([] {
            EXPECT_EQ(counter.get(), 100);
            EXPECT_EQ(counter.get(5), 100);
            ++counter.get();
            EXPECT_EQ(counter.get(), 101);
        });
    }
}

TOMBOLO_TEST(run_local, is_shared_by_system_tasks_and_posted_calls) {
    tb::lowlevel::spawn_system_task([] { ++counter.get(); });
    tb::lowlevel::current_run_token().run_sync_soon([] { ++counter.get(); });
    wait_all_tasks_blocked();
    EXPECT_EQ(counter.get(), 102);
}

// L17
TOMBOLO_TEST(run_local, goes_back_to_the_value_before_a_set_with_each_token_once) {
    tb::variable_token first = counter.set(1);
    tb::variable_token second = counter.set(2);
    tb::variable_token of_list = list.set({3});
    EXPECT_THAT(text_of<tb::variable_token_misuse>([&] { counter.reset(of_list); }), HasSubstr("another variable"));
    counter.reset(second);
    EXPECT_EQ(counter.get(), 1);
    EXPECT_THAT(text_of<tb::variable_token_misuse>([&] { counter.reset(second); }), HasSubstr("once"));
    counter.reset(first);
    EXPECT_EQ(counter.get(), 100);
    list.reset(of_list);
    EXPECT_TRUE(list.get(std::vector<int>{}).empty());
}

TEST(run_local, refuses_the_token_of_another_run) {
    std::optional<tb::variable_token> token;
    tb::run([&] {
        counter.set(1);
        token = counter.set(2);
    });
    tb::run([&] {
        counter.set(50);
        EXPECT_THAT(text_of<tb::variable_token_misuse>([&] { counter.reset(*token); }), HasSubstr("run"));
        EXPECT_EQ(counter.get(), 50);
    });
}

TEST(run_local, needs_a_run) {
    EXPECT_THAT(text_of<tb::not_in_run>([] { counter.get(); }), HasSubstr("inside tombolo::run"));
    EXPECT_THAT(text_of<tb::not_in_run>([] { counter.get(1); }), HasSubstr("inside tombolo::run"));
    EXPECT_THAT(text_of<tb::not_in_run>([] { counter.set(1); }), HasSubstr("inside tombolo::run"));
}

TEST(run_local, lets_go_of_its_value_at_the_end_of_the_run) {
    static tb::run_local<std::shared_ptr<int>> owner;
    std::weak_ptr<int> watched;
    tb::run([&] {
        owner.set(std::make_shared<int>(7));
        watched = owner.get();
        EXPECT_FALSE(watched.expired());
    });
    EXPECT_TRUE(watched.expired());
}

TEST(threads_run_local, has_a_value_of_its_own_in_each_of_two_runs_at_a_time) {
    tb::run([] {
        counter.set(1);
        std::thread([] {
            tb::run([] {
                EXPECT_EQ(counter.get(), 100);
                counter.set(2);
            });
        }).join();
        EXPECT_EQ(counter.get(), 1);
    });
}

}  // namespace
