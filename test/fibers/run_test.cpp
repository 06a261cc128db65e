#include <tombolo/fibers/run.hpp>

#include "test/fibers/default_sigint.hpp"
#include "test/fibers/thrown.hpp"

#include <tombolo/testing/test.hpp>
#include <tombolo/testing/wait_all_tasks_blocked.hpp>
#include <tombolo/tombolo.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <csignal>
#include <functional>
#include <memory>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <unistd.h>

namespace {

namespace tb = tombolo;
using namespace std::chrono_literals;
using tb::testing::shape;
using tb::testing::text_of;
using tb::testing::thrown_by;
using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;

// case 1
TEST(run, returns_what_main_returns) {
    int target = 0;
    EXPECT_EQ(tb::run([] { return 42; }), 42);
    EXPECT_EQ(*tb::run([] { return std::make_unique<int>(7); }), 7);
    EXPECT_EQ(&tb::run([&]() -> int& { return target; }), &target);
    tb::run([&] { target = 1; });
    EXPECT_EQ(target, 1);
}

// case 1
TEST(run, throws_the_error_of_main_bare_and_unchanged) {
    std::exception_ptr thrown;
    const auto main = [&] {
        try {
            tb::checkpoint();
            throw std::out_of_range("main's own");
        } catch (...) {
            thrown = std::current_exception();
            throw;
        }
    };
    const std::exception_ptr caught = thrown_by([&] { tb::run(main); });
    ASSERT_NE(caught, nullptr);
    EXPECT_EQ(caught, thrown);
    EXPECT_THROW(tb::run([] { throw 42; }), int);
}

// case 1
TEST(run, returns_only_when_every_task_has_ended) {
    std::vector<std::string> ended;
    tb::run([&] {
        tb::lowlevel::spawn_system_task([&] {
            try {
                tb::sleep_forever();
            } catch (const tb::cancelled&) {
                tb::cancel_scope cleanup{{.shield = true}};
                cleanup.run([] {
                    for (int i = 0; i < 5; ++i) {
                        tb::checkpoint();
                    }
                });
                ended.push_back("system task");
                throw;
            }
        });
        tb::checkpoint();
        ended.push_back("main");
    });
    EXPECT_EQ(ended, (std::vector<std::string>{"main", "system task"}));
}

// case 2
TOMBOLO_TEST(run, refuses_to_nest_and_leaves_the_outer_run_unharmed) {
    const auto nest = [] { tb::run([] { ADD_FAILURE() << "the inner run ran"; }); };
    EXPECT_THAT(text_of<tb::nested_run>(nest), HasSubstr("open a nursery"));
    tb::open_nursery([&](tb::nursery& n) {
        n.start_soon([&] { EXPECT_THAT(text_of<tb::nested_run>(nest), HasSubstr("thread of its own")); });
    });
    bool slept = false;
    slept = tb::move_on_after(2s, [] { tb::sleep_for(1s); });
    EXPECT_TRUE(slept);
}

// case 2
TEST(run, refuses_to_nest_where_no_task_or_no_blocking_is_possible) {
    const auto nest = [] { tb::run([] { ADD_FAILURE() << "the inner run ran"; }); };
    std::multiset<std::string> refused_in;
    const auto try_in = [&](const char* where) {
        EXPECT_THAT(text_of<tb::nested_run>(nest), HasSubstr("open a nursery"));
        refused_in.insert(where);
    };
    struct nesting_instrument final : tb::instrument {
        explicit nesting_instrument(std::function<void()> attempt) : attempt_(std::move(attempt)) {}
        void before_run() override { attempt_(); }
        std::function<void()> attempt_;
    };
    nesting_instrument watcher([&] { try_in("instrument"); });
    const auto main = [&] {
        tb::lowlevel::current_run_token().run_sync_soon([&] { try_in("callback"); });
        tb::cancel_scope scope;
        scope.cancel();
        scope.run([&] {
            tb::lowlevel::park<void>([&](const tb::lowlevel::raise_cancel&) {
                try_in("abort function");
                return tb::lowlevel::abort::succeeded;
            });
        });
    };
    tb::run(main, {.instruments = {&watcher}});
    EXPECT_THAT(refused_in, UnorderedElementsAre("instrument", "callback", "abort function"));
}

using step = std::pair<char, int>;

std::vector<step> take_turns() {
    std::vector<step> record;
    const auto take_steps = [&](char who) {
        for (int i = 0; i < 5; ++i) {
            record.emplace_back(who, i);
            tb::checkpoint();
        }
    };
    tb::open_nursery([&](tb::nursery& n) {
        n.start_soon([&] { take_steps('a'); });
        n.start_soon([&] { take_steps('b'); });
    });
    return record;
}

void expect_turns(const std::vector<step>& record) {
    ASSERT_EQ(record.size(), 10U);
    for (int i = 0; i < 5; ++i) {
        const std::vector<step> both(record.begin() + 2 * i, record.begin() + 2 * i + 2);
        EXPECT_THAT(both, UnorderedElementsAre(step('a', i), step('b', i))) << "in step " << i;
    }
}

// case 3
TOMBOLO_TEST(run, lets_two_tasks_take_turns_step_by_step) { expect_turns(take_turns()); }

// case 3
TEST(run, lets_two_tasks_take_turns_without_a_seed_too) { expect_turns(tb::run(take_turns)); }

std::vector<int> order_with_seed(std::uint64_t seed) {
    std::vector<int> order;
    const auto main = [&] {
        tb::open_nursery([&](tb::nursery& n) {
            for (int i = 0; i < 10; ++i) {
                n.start_soon([&order, i] {
                    order.push_back(i);
                    tb::checkpoint();
                    order.push_back(i);
                });
            }
        });
    };
    tb::run(main, {.seed = seed});
    return order;
}

TEST(run, repeats_the_task_order_of_a_seed) {
    std::set<std::vector<int>> orders;
    for (std::uint64_t seed = 0; seed < 10; ++seed) {
        const std::vector<int> order = order_with_seed(seed);
        EXPECT_EQ(order.size(), 20U);
        EXPECT_EQ(order, order_with_seed(seed)) << "seed " << seed;
        orders.insert(order);
    }
    EXPECT_GT(orders.size(), 1U);
}

struct open_pipe {
    open_pipe() {
        std::array<int, 2> ends{};
        if (::pipe(ends.data()) != 0) {
            throw std::runtime_error("no pipe to be had");
        }
        read_end.reset(ends[0]);
        write_end.reset(ends[1]);
    }
    void write_byte() const { EXPECT_EQ(::write(write_end.get(), "x", 1), 1); }

    tb::unique_fd read_end;
    tb::unique_fd write_end;
};

void expect_no_starvation() {
    const open_pipe pipe;
    pipe.write_byte();
    bool readable = false;
    int steps = 0;
    tb::open_nursery([&](tb::nursery& n) {
        n.start_soon([&] {
            tb::lowlevel::wait_readable(pipe.read_end.get());
            readable = true;
        });
        for (; !readable && steps < 100'000; ++steps) {
            tb::checkpoint();
        }
    });
    EXPECT_LT(steps, 100'000);
}

TOMBOLO_TEST(run, polls_descriptors_while_a_task_never_waits) { expect_no_starvation(); }

TEST(run, polls_descriptors_while_a_task_never_waits_without_a_seed_too) { tb::run(expect_no_starvation); }

TEST(run, sleeps_towards_a_deadline_that_is_centuries_away) {
    const open_pipe pipe;
    pipe.write_byte();
    const auto main = [&] {
        tb::open_nursery([&](tb::nursery& n) {
            for (const tb::time_point far : {tb::now() + 24h * 365 * 200, tb::time_point::max() - 1ns}) {
                n.start_soon([far] { tb::sleep_until(far); });
            }
            n.start_soon([&] {
                tb::lowlevel::wait_readable(pipe.read_end.get());
                n.cancel_scope().cancel();
            });
        });
    };
    tb::run(main);
    tb::run(main, {.spin_before_sleep = 20us});
}

// A descriptor that belongs to a run: the epoll instance that appeared since `before`.
int newest_epoll(const std::set<int>& before) {
    for (int fd = 0; fd < 1024; ++fd) {
        std::array<char, 64> target{};
        const std::string link = "/proc/self/fd/" + std::to_string(fd);
        if (!before.contains(fd) && ::readlink(link.c_str(), target.data(), target.size() - 1) > 0 &&
            std::string(target.data()).find("eventpoll") != std::string::npos) {
            return fd;
        }
    }
    return -1;
}

TEST(run, ends_with_internal_error_when_its_epoll_descriptor_is_taken_away) {
    std::set<int> before;
    for (int fd = newest_epoll(before); fd >= 0; fd = newest_epoll(before)) {
        before.insert(fd);
    }
    const open_pipe pipe;
    const auto main = [&] {
        tb::open_nursery([&](tb::nursery& n) {
            n.start_soon([&] { tb::lowlevel::wait_readable(pipe.read_end.get()); });
            tb::checkpoint();
            const int epoll = newest_epoll(before);
            ASSERT_GE(epoll, 0);
            ASSERT_EQ(::dup2(pipe.read_end.get(), epoll), epoll);
        });
    };
    const std::exception_ptr error = thrown_by([&] { tb::run(main); });
    ASSERT_TRUE(tb::holds<tb::internal_error>(error)) << tb::describe(error);
    EXPECT_THAT(tb::describe(error), HasSubstr("waiting for events failed"));
    EXPECT_EQ(tb::run([] { return 1; }), 1);
}

TEST(run, refuses_bad_options_before_anything_happens) {
    const auto main = [] { ADD_FAILURE() << "main ran"; };
    for (const std::size_t size : {std::size_t{0}, std::size_t{4096}, std::size_t{100'001}}) {
        const auto start = [&] { tb::run(main, {.stack_size = size}); };
        EXPECT_THAT(text_of<tb::invalid_stack_size>(start), HasSubstr(std::to_string(size)));
    }
    const auto negative_spin = [&] { tb::run(main, {.spin_before_sleep = -1ns}); };
    EXPECT_THAT(text_of<tb::invalid_duration>(negative_spin), HasSubstr("zero"));
    tb::instrument* none = nullptr;
    const auto no_instrument = [&] { tb::run(main, {.instruments = {none}}); };
    EXPECT_THAT(text_of<tb::usage_error>(no_instrument), HasSubstr("instruments"));
    EXPECT_FALSE(tb::in_run());
}

// R7
template <class F>
concept runnable = requires(F f) { tb::run(f); };
static_assert(runnable<int (*)()> && !runnable<int> && !runnable<int (*)(int)>);

TEST(run, ends_with_the_task_tree_when_nothing_can_ever_happen) {
    bool cleaned_up = false;
    const auto main = [&] {
        tb::open_nursery([&](tb::nursery& n) {
            n.start_soon(
                [&] {
                    try {
                        tb::sleep_forever();
                    } catch (const tb::cancelled&) {
                        cleaned_up = true;
                        throw;
                    }
                },
                {.name = "waits in vain"});
        });
    };
    const std::string text = text_of<tb::deadlock>([&] { tb::run(main, {.detect_deadlock = true}); });
    EXPECT_THAT(text, HasSubstr("waits in vain"));
    EXPECT_THAT(text, HasSubstr("sleep_forever"));
    EXPECT_TRUE(cleaned_up);
}

class run_interrupt : public ::testing::Test {
    const tb::testing::default_sigint terminal_;
};

// R18
TEST_F(run_interrupt, that_no_checkpoint_has_seen_replaces_the_result) {
    const auto main = [] {
        tb::checkpoint();
        std::raise(SIGINT);
        return 42;
    };
    try {
        tb::run(main);
        ADD_FAILURE() << "the interrupt is lost";
    } catch (const tb::keyboard_interrupt& interrupt) {
        EXPECT_EQ(interrupt.context(), nullptr);
    }
    EXPECT_EQ(std::signal(SIGINT, SIG_DFL), SIG_DFL);
}

// R18
TEST_F(run_interrupt, that_no_checkpoint_has_seen_keeps_the_error_of_main_as_its_context) {
    const auto main = [] {
        std::raise(SIGINT);
        throw std::runtime_error("main's own");
    };
    try {
        tb::run(main);
        ADD_FAILURE() << "the interrupt is lost";
    } catch (const tb::keyboard_interrupt& interrupt) {
        EXPECT_EQ(shape(interrupt.context()), "main's own");
    }
}

struct interrupts_at_the_end final : tb::instrument {
    void task_exited(tb::task& exited) override {
        if (exited.parent_nursery() == nullptr) {
            std::raise(SIGINT);
        }
    }
};

// R18
TEST_F(run_interrupt, that_comes_when_the_last_task_exits_still_replaces_the_result) {
    interrupts_at_the_end watcher;
    EXPECT_THROW(tb::run([] {}, {.instruments = {&watcher}}), tb::keyboard_interrupt);
}

TEST_F(run_interrupt, that_a_checkpoint_has_thrown_is_used_up) {
    const auto main = [] {
        std::raise(SIGINT);
        EXPECT_THROW(tb::checkpoint(), tb::keyboard_interrupt);
        tb::checkpoint();
        return 42;
    };
    EXPECT_EQ(tb::run(main), 42);
}

}  // namespace
