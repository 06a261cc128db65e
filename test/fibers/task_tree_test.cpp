#include <tombolo/fibers/task_tree.hpp>

#include "test/fibers/thrown.hpp"

#include <tombolo/testing/test.hpp>
#include <tombolo/testing/wait_all_tasks_blocked.hpp>
#include <tombolo/tombolo.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

namespace {

namespace tb = tombolo;
using namespace std::chrono_literals;
using tb::lowlevel::task_tree;
using tb::testing::wait_all_tasks_blocked;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

// The line of the tree that shows the task of this name; empty when there is none.
std::string line_of(const std::string& tree, std::string_view name) {
    std::istringstream lines(tree);
    for (std::string line; std::getline(lines, line);) {
        if (line.find(name) != std::string::npos) {
            return line;
        }
    }
    return {};
}

std::size_t depth_of(const std::string& tree, std::string_view name) { return line_of(tree, name).find(name); }

void expect_line(std::string_view name, const ::testing::Matcher<std::string>& matcher) {
    const std::string tree = task_tree();
    EXPECT_THAT(line_of(tree, name), matcher) << tree;
}

// case 17
TOMBOLO_TEST(task_tree, shows_every_task_by_name_below_the_one_that_waits_for_it) {
    tb::open_nursery([](tb::nursery& n) {
        n.start_soon(
            [] {
                tb::open_nursery(
                    [](tb::nursery& inner) { inner.start_soon([] { tb::sleep_for(1s); }, {.name = "grandchild"}); });
            },
            {.name = "elder"});
        n.start_soon([] { tb::sleep_for(1s); }, {.name = "younger"});
        wait_all_tasks_blocked();
        const std::string tree = task_tree();
        const std::size_t depth_of_main = depth_of(tree, "main");
        EXPECT_NE(depth_of_main, std::string::npos) << tree;
        EXPECT_GT(depth_of(tree, "elder"), depth_of_main) << tree;
        EXPECT_GT(depth_of(tree, "grandchild"), depth_of(tree, "elder")) << tree;
        EXPECT_EQ(depth_of(tree, "younger"), depth_of(tree, "elder")) << tree;
        EXPECT_LT(tree.find("elder"), tree.find("grandchild")) << tree;
    });
    EXPECT_THAT(task_tree(), AllOf(HasSubstr("main"), Not(HasSubstr("elder"))));
}

TOMBOLO_TEST(task_tree, shows_each_tasks_id) {
    tb::open_nursery([](tb::nursery& n) {
        n.start_soon([] {}, {.name = "child"});
        expect_line("child", HasSubstr("#" + std::to_string(n.child_tasks().front()->id())));
    });
}

TOMBOLO_TEST(task_tree, shows_what_each_task_is_doing) {
    tb::lowlevel::parking_lot lot;
    tb::open_nursery([&](tb::nursery& n) {
        n.start_soon([] { tb::sleep_for(10s); }, {.name = "sleeper"});
        n.start_soon([&] { lot.park(); }, {.name = "parker"});
        n.start_soon(
            [] {
                tb::lowlevel::park<void>(
                    [](const tb::lowlevel::raise_cancel&) { return tb::lowlevel::abort::succeeded; }, "my own wait");
            },
            {.name = "waiter"});
        n.start_soon(
            [] { tb::open_nursery([](tb::nursery& inner) { inner.start_soon([] { tb::sleep_for(10s); }); }); },
            {.name = "opener"});
        wait_all_tasks_blocked();
        n.start_soon([] {}, {.name = "newcomer"});
        expect_line("sleeper", HasSubstr("parked in sleep_for"));
        expect_line("parker", HasSubstr("parked in "));
        expect_line("waiter", HasSubstr("parked in my own wait"));
        expect_line("opener", HasSubstr("parked in nursery exit"));
        expect_line("newcomer", HasSubstr("not started"));
        expect_line("main", HasSubstr("running"));
        lot.unpark();
        expect_line("parker", HasSubstr("runnable"));
        n.cancel_scope().cancel();
    });
}

TOMBOLO_TEST(task_tree, shows_the_scopes_that_a_task_is_in) {
    const auto sleep = [] { tb::sleep_for(1h); };
    tb::open_nursery([&](tb::nursery& n) {
        n.start_soon([&] { tb::move_on_after(5s, sleep); }, {.name = "limited"});
        n.start_soon([&] { tb::move_on_at(tb::time_point::max(), sleep, {.shield = true}); }, {.name = "shielded"});
        n.start_soon(
            [&] {
                tb::cancel_scope scope;
                scope.cancel("had enough");
                scope.run([&] {
                    tb::cancel_scope shield{{.shield = true}};
                    shield.run(sleep);
                });
            },
            {.name = "stubborn"});
        wait_all_tasks_blocked();
        expect_line("limited", HasSubstr("deadline in 5 s"));
        expect_line("shielded", HasSubstr("shielded"));
        expect_line("stubborn", AllOf(HasSubstr("shielded"), HasSubstr("cancelled"), HasSubstr("had enough")));
    });
}

TOMBOLO_TEST(task_tree, shows_a_deadline_that_has_passed) {
    tb::cancel_scope scope;
    scope.run([&] {
        scope.deadline(tb::now() - 3s);
        expect_line("main", HasSubstr("deadline passed by 3 s"));
        scope.deadline(tb::time_point::min());
        expect_line("main", HasSubstr("deadline passed"));
        scope.deadline(tb::time_point::max());
        expect_line("main", Not(HasSubstr("deadline")));
    });
}

TOMBOLO_TEST(task_tree, shows_a_task_that_has_not_called_started) {
    tb::open_nursery([](tb::nursery& n) {
        n.start(
            [](tb::task_status<>& status) {
                expect_line("server", HasSubstr("starting"));
                status.started();
                expect_line("server", Not(HasSubstr("starting")));
            },
            {.name = "server"});
    });
}

TOMBOLO_TEST(task_tree, is_printed_to_any_stream_and_from_anywhere_in_the_run) {
    std::ostringstream out;
    tb::lowlevel::dump_tasks(out);
    EXPECT_EQ(out.str(), task_tree());
    std::string from_call;
    tb::lowlevel::current_run_token().run_sync_soon([&] { from_call = task_tree(); });
    wait_all_tasks_blocked();
    EXPECT_THAT(from_call, HasSubstr("main"));
}

TEST(task_tree, shows_how_deep_stacks_were_used_when_the_run_measures_them) {
    tb::run([] { expect_line("main", Not(HasSubstr("stack"))); });
    const auto main = [] {
        EXPECT_GT(tb::lowlevel::current_task().stack_used(), 0U);
        EXPECT_LT(tb::lowlevel::current_task().stack_used(), tb::lowlevel::current_task().stack_size());
        expect_line("main", HasSubstr("stack "));
    };
    tb::run(main, {.measure_stacks = true});
}

}  // namespace
