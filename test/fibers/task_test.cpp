#include <tombolo/fibers/task.hpp>

#include "test/fibers/thrown.hpp"

#include <tombolo/testing/test.hpp>
#include <tombolo/testing/wait_all_tasks_blocked.hpp>
#include <tombolo/tombolo.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <map>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

namespace tb = tombolo;
using namespace std::chrono_literals;
using tb::lowlevel::current_task;
using tb::testing::shape;
using tb::testing::text_of;
using tb::testing::thrown_by;
using tb::testing::wait_all_tasks_blocked;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::Not;

tb::lowlevel::abort give_up(const tb::lowlevel::raise_cancel&) { return tb::lowlevel::abort::succeeded; }

// ---- names

struct name_of_the_callable {
    void operator()() const { *name = current_task().name(); }
    void operator()(tb::task_status<>& status) const {
        (*this)();
        status.started();
    }
    std::string* name;
};

struct big_callable : name_of_the_callable {
    std::array<char, 5'000> ballast{};
};

// case 17
TOMBOLO_TEST(task, is_named_as_its_spawner_says) {
    std::string soon;
    std::string started;
    std::string system;
    std::string copied = "to be copied";
    std::string of_copied;
    tb::open_nursery([&](tb::nursery& n) {
        n.start_soon(name_of_the_callable{&soon}, {.name = "soon"});
        n.start(name_of_the_callable{&started}, {.name = "started"});
        tb::lowlevel::spawn_system_task(name_of_the_callable{&system}, {.name = "system"});
        n.start_soon(name_of_the_callable{&of_copied}, {.name = copied});
        copied = "overwritten";
        wait_all_tasks_blocked();
    });
    EXPECT_EQ(soon, "soon");
    EXPECT_EQ(started, "started");
    EXPECT_EQ(system, "system");
    EXPECT_EQ(of_copied, "to be copied");
}

// case 17
TOMBOLO_TEST(task, is_named_after_its_callables_type_when_nobody_names_it) {
    std::string soon;
    std::string started;
    std::string system;
    std::string big;
    std::string lambda;
    tb::open_nursery([&](tb::nursery& n) {
        n.start_soon(name_of_the_callable{&soon});
        n.start(name_of_the_callable{&started});
        tb::lowlevel::spawn_system_task(name_of_the_callable{&system});
        n.start_soon(big_callable{{&big}, {}});
        n.start_soon([&] { lambda = current_task().name(); });
        wait_all_tasks_blocked();
    });
    for (const std::string& name : {soon, started, system}) {
        EXPECT_THAT(name, MatchesRegex(".*::name_of_the_callable"));
    }
    EXPECT_THAT(big, MatchesRegex(".*::big_callable"));
    EXPECT_THAT(lambda, HasSubstr("lambda"));
}

void plain_function() {}

// case 17
TOMBOLO_TEST(task, that_runs_a_plain_function_has_a_name_too) {
    tb::open_nursery([&](tb::nursery& n) {
        n.start_soon(plain_function);
        EXPECT_THAT(n.child_tasks().front()->name(), Not(::testing::IsEmpty()));
    });
}

TOMBOLO_TEST(task, has_an_id_of_its_own_in_order_of_creation) {
    std::set<std::uint64_t> ids{current_task().id()};
    tb::open_nursery([&](tb::nursery& n) {
        std::uint64_t latest = current_task().id();
        for (int i = 0; i < 20; ++i) {
            n.start_soon([] { tb::checkpoint(); });
            const std::uint64_t id = n.child_tasks().back()->id();
            EXPECT_GT(id, latest);
            latest = id;
            EXPECT_TRUE(ids.insert(id).second);
            if (i % 4 == 3) {
                wait_all_tasks_blocked();
            }
        }
    });
}

// ---- links

// case 18
TOMBOLO_TEST(task, knows_its_parents_and_its_open_nurseries) {
    tb::task* child1 = nullptr;
    tb::task* child2 = nullptr;
    tb::nursery* of_child1 = nullptr;
    tb::nursery* target = nullptr;
    tb::task& parent = current_task();
    EXPECT_THAT(parent.child_nurseries(), ElementsAre());
    const auto grandchild = [&] {
        child2 = &current_task();
        EXPECT_EQ(&child2->parent_nursery()->parent_task(), child1);
        EXPECT_THAT(parent.child_nurseries(), ElementsAre(target));
        EXPECT_THAT(target->child_tasks(), ElementsAre(child1));
        EXPECT_THAT(child1->child_nurseries(), ElementsAre(of_child1));
        EXPECT_THAT(of_child1->child_tasks(), ElementsAre(child2));
        EXPECT_THAT(child2->child_nurseries(), ElementsAre());
    };
    tb::open_nursery([&](tb::nursery& outer) {
        target = &outer;
        tb::open_nursery(
            [&](tb::nursery& inner) { EXPECT_THAT(parent.child_nurseries(), ElementsAre(&outer, &inner)); });
        EXPECT_THAT(parent.child_nurseries(), ElementsAre(&outer));
        outer.start([&](tb::task_status<>& status) {
            child1 = &current_task();
            tb::nursery* hidden = child1->parent_nursery();
            EXPECT_NE(hidden, &outer);
            EXPECT_EQ(&hidden->parent_task(), &parent);
            EXPECT_EQ(child1->eventual_parent_nursery(), &outer);
            EXPECT_THAT(parent.child_nurseries(), ElementsAre(&outer, hidden));
            EXPECT_THAT(outer.child_tasks(), ElementsAre());
            status.started();
            EXPECT_EQ(child1->parent_nursery(), &outer);
            EXPECT_EQ(child1->eventual_parent_nursery(), nullptr);
            EXPECT_THAT(outer.child_tasks(), ElementsAre(child1));
            wait_all_tasks_blocked();
            tb::open_nursery([&](tb::nursery& n) {
                of_child1 = &n;
                n.start_soon(grandchild);
            });
        });
        EXPECT_EQ(child1->eventual_parent_nursery(), nullptr);
    });
    EXPECT_NE(child2, nullptr);
    EXPECT_THAT(parent.child_nurseries(), ElementsAre());
}

TOMBOLO_TEST(task, has_the_fiber_flavour_and_the_stack_size_of_the_run) {
    EXPECT_EQ(current_task().flavour(), tb::flavour::fiber);
    EXPECT_EQ(current_task().stack_size(), std::size_t{256} * 1024);
    EXPECT_EQ(current_task().stack_used(), 0U);
}

// ---- parking

// case 8
TOMBOLO_TEST(task, gets_from_its_park_the_value_or_the_error_that_reschedule_gives) {
    const auto park_and_wake = [](auto&& park, auto&& wake) {
        tb::task* sleeper = nullptr;
        std::exception_ptr error;
        tb::open_nursery([&](tb::nursery& n) {
            n.start_soon([&] {
                sleeper = &current_task();
                error = thrown_by(park);
            });
            wait_all_tasks_blocked();
            wake(*sleeper);
        });
        return error;
    };
    int got = 0;
    const auto park_for_int = [&] { got = tb::lowlevel::park<int>(give_up); };
    const auto give_value = [](tb::task& t) { tb::lowlevel::reschedule(t, tb::outcome<int>(42)); };
    EXPECT_EQ(park_and_wake(park_for_int, give_value), nullptr);
    EXPECT_EQ(got, 42);

    const auto error = std::make_exception_ptr(std::runtime_error("given"));
    const auto give_error = [&](tb::task& t) { tb::lowlevel::reschedule(t, error); };
    EXPECT_EQ(park_and_wake(park_for_int, give_error), error);
    const auto give_outcome = [&](tb::task& t) { tb::lowlevel::reschedule(t, tb::outcome<int>(error)); };
    EXPECT_EQ(park_and_wake(park_for_int, give_outcome), error);

    const auto park_for_nothing = [] { tb::lowlevel::park<void>(give_up); };
    EXPECT_EQ(park_and_wake(park_for_nothing, [](tb::task& t) { tb::lowlevel::reschedule(t); }), nullptr);
    EXPECT_EQ(park_and_wake(park_for_nothing, give_error), error);
}

// case 22
TOMBOLO_TEST(task, keeps_its_sleep_data_while_it_is_parked_and_loses_them_when_it_is_rescheduled) {
    int data = 0;
    tb::task* sleeper = nullptr;
    tb::open_nursery([&](tb::nursery& n) {
        n.start_soon([&] {
            sleeper = &current_task();
            sleeper->custom_sleep_data() = &data;
            tb::lowlevel::park<void>(give_up);
            EXPECT_EQ(sleeper->custom_sleep_data(), nullptr);
            sleeper->custom_sleep_data() = &data;
            tb::lowlevel::park<void>([&](const tb::lowlevel::raise_cancel&) {
                EXPECT_EQ(sleeper->custom_sleep_data(), &data);
                return tb::lowlevel::abort::succeeded;
            });
        });
        wait_all_tasks_blocked();
        EXPECT_EQ(sleeper->custom_sleep_data(), &data);
        tb::lowlevel::reschedule(*sleeper);
        EXPECT_EQ(sleeper->custom_sleep_data(), nullptr);
        wait_all_tasks_blocked();
        n.cancel_scope().cancel();
        EXPECT_EQ(sleeper->custom_sleep_data(), nullptr);
    });
}

// L10
TOMBOLO_TEST(task, shows_where_it_is_parked) {
    tb::task* sleeper = nullptr;
    tb::open_nursery([&](tb::nursery& n) {
        n.start_soon([&] {
            sleeper = &current_task();
            tb::sleep_forever();
        });
        EXPECT_THAT(n.child_tasks().front()->backtrace(), ElementsAre());
        wait_all_tasks_blocked();
        EXPECT_THAT(current_task().backtrace(), ElementsAre());
        const std::vector<void*> frames = sleeper->backtrace();
#if defined(TOMBOLO_SWITCH_INLINE)
        EXPECT_GE(frames.size(), 2U);
        EXPECT_THAT(frames, Not(::testing::Contains(nullptr)));
#endif
        n.cancel_scope().cancel();
    });
}

}  // namespace
