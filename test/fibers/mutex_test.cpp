#include <tombolo/fibers/mutex.hpp>

#include "test/fibers/thrown.hpp"

#include <tombolo/fibers/cancel_scope.hpp>
#include <tombolo/fibers/checkpoint.hpp>
#include <tombolo/fibers/nursery.hpp>
#include <tombolo/fibers/run.hpp>
#include <tombolo/fibers/task.hpp>
#include <tombolo/fibers/task_tree.hpp>
#include <tombolo/fibers/timeouts.hpp>
#include <tombolo/testing/test.hpp>
#include <tombolo/testing/wait_all_tasks_blocked.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <mutex>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace tombolo::testing {
namespace {

using ::testing::AllOf;
using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::SizeIs;

TOMBOLO_TEST(mutex, tells_who_owns_it_and_how_many_wait) {
    mutex m;
    EXPECT_FALSE(m.locked());
    EXPECT_FALSE(m.statistics().locked);
    EXPECT_EQ(m.statistics().owner, nullptr);
    m.lock();
    EXPECT_TRUE(m.locked());
    EXPECT_TRUE(m.statistics().locked);
    EXPECT_EQ(m.statistics().owner, &lowlevel::current_task());
    open_nursery([&](nursery& n) {
        task* other = nullptr;
        n.start_soon([&] {
            other = &lowlevel::current_task();
            const std::lock_guard guard(m);
        });
        wait_all_tasks_blocked();
        EXPECT_EQ(m.statistics().tasks_waiting, 1U);
        m.unlock();
        EXPECT_EQ(m.statistics().owner, other) << "handed over at once";
        EXPECT_EQ(m.statistics().tasks_waiting, 0U);
        EXPECT_TRUE(m.locked());
    });
    EXPECT_FALSE(m.locked());
}

TOMBOLO_TEST(mutex, says_who_is_wrong_and_what_to_do) {
    mutex m;
    EXPECT_THAT(text_of<not_owner>([&] { m.unlock(); }), AllOf(HasSubstr("mutex::unlock"), HasSubstr("\"main\"")));
    m.lock();
    EXPECT_THAT(text_of<already_owner>([&] { m.lock(); }), AllOf(HasSubstr("\"main\""), HasSubstr("unlock it first")));
    open_nursery([&](nursery& n) {
        const auto unlock_another_ones = [&] {
            EXPECT_THAT(
                text_of<not_owner>([&] { m.unlock(); }),
                AllOf(HasSubstr("\"thief\""), HasSubstr("\"main\""), HasSubstr("let that task do it")));
        };
        n.start_soon(unlock_another_ones, {.name = "thief"});
    });
    m.unlock();
}

/// What becomes of a mutex whose owner, a task called "owner", ends as `end` does while two tasks wait.
void expect_broken_by(const std::function<void()>& end) {
    mutex m;
    std::vector<std::string> errors;
    open_nursery([&](nursery& n) {
        const auto wait = [&] { errors.push_back(text_of<broken_resource>([&] { m.lock(); })); };
        try {
            open_nursery([&](nursery& owners) {
                const auto lock_and_end = [&] {
                    m.lock();
                    n.start_soon(wait);
                    n.start_soon(wait);
                    wait_all_tasks_blocked();
                    EXPECT_EQ(m.statistics().tasks_waiting, 2U);
                    end();
                };
                owners.start_soon(lock_and_end, {.name = "owner"});
            });
        } catch (const exception_group&) {  // the owner's own
        }
    });
    const auto names_the_owner = AllOf(HasSubstr("mutex::"), HasSubstr("\"owner\""));
    EXPECT_THAT(errors, SizeIs(2));
    EXPECT_THAT(errors, Each(names_the_owner));
    EXPECT_THAT(text_of<broken_resource>([&] { m.lock(); }), names_the_owner);
    EXPECT_THAT(text_of<broken_resource>([&] { static_cast<void>(m.try_lock()); }), names_the_owner);
    EXPECT_TRUE(m.locked());
    EXPECT_EQ(m.statistics().owner, nullptr);
    EXPECT_EQ(m.statistics().tasks_waiting, 0U);
}

// Y3, case 70: lock_acquire_unowned_lock
TOMBOLO_TEST(mutex, is_broken_for_all_when_its_owner_exits_however_it_does) {
    expect_broken_by([] {});
    expect_broken_by([] { throw std::runtime_error("owner"); });
    expect_broken_by([] {
        lowlevel::current_task().parent_nursery()->cancel_scope().cancel();
        checkpoint();
    });
}

TOMBOLO_TEST(mutex, is_broken_by_an_owner_to_whom_it_was_handed_over) {
    mutex m;
    open_nursery([&](nursery& n) {
        m.lock();
        n.start_soon([&] { m.lock(); }, {.name = "heir"});
        wait_all_tasks_blocked();
        m.unlock();
    });
    EXPECT_THAT(text_of<broken_resource>([&] { m.lock(); }), HasSubstr("\"heir\""));
}

TOMBOLO_TEST(mutex, that_is_broken_lets_guards_of_it_end) {
    mutex m;
    open_nursery([&](nursery& n) { n.start_soon([&] { m.lock(); }); });
    m.unlock();
    const std::unique_lock guard(m, std::adopt_lock);
}

TOMBOLO_TEST(mutex, of_a_task_that_unlocked_it_survives_the_task) {
    mutex first;
    mutex second;
    mutex third;
    open_nursery([&](nursery& n) {
        n.start_soon([&] {
            first.lock();
            second.lock();
            third.lock();
            second.unlock();  // in no particular order
            first.unlock();
            third.unlock();
            first.lock();
            second.lock();
            first.unlock();
            second.unlock();
        });
    });
    for (mutex* each : {&first, &second, &third}) {
        EXPECT_TRUE(each->try_lock());
        each->unlock();
    }
}

TOMBOLO_TEST(mutex, several_are_broken_by_one_task) {
    mutex kept;
    mutex given_back;
    mutex kept_too;
    open_nursery([&](nursery& n) {
        n.start_soon([&] {
            kept.lock();
            given_back.lock();
            kept_too.lock();
            given_back.unlock();
        });
    });
    text_of<broken_resource>([&] { kept.lock(); });
    text_of<broken_resource>([&] { kept_too.lock(); });
    EXPECT_TRUE(given_back.try_lock());
    given_back.unlock();
}

TOMBOLO_TEST(mutex, may_go_while_it_is_locked) {
    open_nursery([](nursery& n) {
        n.start_soon([] {
            mutex outer;
            outer.lock();
            mutex inner;
            inner.lock();
        });
    });
}

TOMBOLO_TEST(mutex, may_be_used_by_one_run_after_another) {
    static mutex m;
    EXPECT_TRUE(m.try_lock());
    m.unlock();
    std::thread([] { EXPECT_TRUE(run([] { return m.try_lock() && (m.unlock(), true); })); }).join();
    EXPECT_TRUE(m.try_lock());
    m.unlock();
}

TOMBOLO_TEST(mutex, names_itself_in_task_trees) {
    mutex m;
    open_nursery([&](nursery& n) {
        m.lock();
        n.start_soon([&] { const std::lock_guard guard(m); });
        wait_all_tasks_blocked();
        std::ostringstream tree;
        lowlevel::dump_tasks(tree);
        EXPECT_THAT(tree.str(), HasSubstr("mutex::lock"));
        m.unlock();
    });
}

TOMBOLO_TEST(mutex, is_left_alone_by_calls_from_a_wrong_thread) {
    mutex m;
    m.lock();
    open_nursery([&](nursery& n) {
        n.start_soon([&] { const std::lock_guard guard(m); });
        wait_all_tasks_blocked();
        std::thread([&] {
            text_of<not_in_run>([&] { m.unlock(); });
            text_of<not_in_run>([&] { static_cast<void>(m.try_lock()); });
            text_of<not_in_run>([&] { m.lock(); });
            run([&] {
                text_of<not_owner>([&] { m.unlock(); });
                text_of<wrong_thread>([&] { static_cast<void>(m.try_lock()); });
                text_of<wrong_thread>([&] { m.lock(); });
            });
        }).join();
        EXPECT_EQ(m.statistics().owner, &lowlevel::current_task());
        EXPECT_EQ(m.statistics().tasks_waiting, 1U);
        m.unlock();
    });
}

TEST(mutex_death, is_not_destroyed_while_somebody_waits) {
    const auto destroy = [] {
        run_test_body([] {
            std::optional<mutex> m(std::in_place);
            m->lock();
            open_nursery([&](nursery& n) {
                n.start_soon([&] { m->lock(); });
                wait_all_tasks_blocked();
                m.reset();
            });
        });
    };
    EXPECT_DEATH(destroy(), "nobody may wait");
}

}  // namespace
}  // namespace tombolo::testing
