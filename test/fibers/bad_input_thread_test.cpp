#include "test/fibers/thrown.hpp"

#include <tombolo/fibers/cancel_scope.hpp>
#include <tombolo/fibers/checkpoint.hpp>
#include <tombolo/fibers/nursery.hpp>
#include <tombolo/fibers/park.hpp>
#include <tombolo/fibers/run.hpp>
#include <tombolo/fibers/statistics.hpp>
#include <tombolo/fibers/timeouts.hpp>
#include <tombolo/testing/test.hpp>
#include <tombolo/testing/wait_all_tasks_blocked.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <string>
#include <thread>

// Bad input, the wrong thread: objects of one thread's run, used from another that has no run or a run of its own.
// Calls of parking lots are in parking_lot_test.cpp.

namespace tombolo::testing {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::HasSubstr;

void body_never_called() { ADD_FAILURE() << "the body was called"; }

void on_a_thread_without_a_run(const std::function<void()>& f) { std::thread(f).join(); }
void in_another_threads_run(const std::function<void()>& f) {
    std::thread([&] { run([&] { f(); }); }).join();
}

/// On a thread without a run and in another thread's run, `misuse` has to throw an Error that says to use a run_token.
template <class Error = wrong_thread>
void expect_refused_elsewhere(const std::function<void()>& misuse, const std::string& name) {
    SCOPED_TRACE(name);
    const auto says_so = AllOf(HasSubstr(name + ":"), HasSubstr("run_token"));
    on_a_thread_without_a_run([&] { EXPECT_THAT(text_of<Error>(misuse), says_so); });
    in_another_threads_run([&] { EXPECT_THAT(text_of<wrong_thread>(misuse), says_so); });
}

TOMBOLO_TEST(wrong_thread, a_scope_that_is_in_use_is_left_as_it_is) {
    cancel_scope scope{{.deadline = time_point(5h)}};
    open_nursery([&](nursery& n) {
        n.start_soon([&] { scope.run([] { sleep_forever(); }); });
        wait_all_tasks_blocked();
        expect_refused_elsewhere([&] { scope.cancel("not mine"); }, "cancel_scope::cancel");
        expect_refused_elsewhere([&] { scope.deadline(time_point::min()); }, "cancel_scope::deadline");
        expect_refused_elsewhere([&] { scope.relative_deadline(1s); }, "cancel_scope::relative_deadline");
        expect_refused_elsewhere([&] { scope.shield(true); }, "cancel_scope::shield");
        EXPECT_FALSE(scope.cancel_called());
        EXPECT_FALSE(scope.shield());
        EXPECT_EQ(scope.deadline(), time_point(5h));
        EXPECT_EQ(lowlevel::current_statistics().tasks_runnable, 0U) << "nobody was woken";
        scope.cancel();
    });
}

TOMBOLO_TEST(wrong_thread, asking_whether_a_scope_is_cancelled_cancels_nothing) {
    cancel_scope scope{{.deadline = time_point(1h)}};
    open_nursery([&](nursery& n) {
        n.start_soon([&] { scope.run([] { sleep_forever(); }); });
        wait_all_tasks_blocked();
        test_clock().jump(2h);  // now the first to ask would be the one to cancel
        expect_refused_elsewhere([&] { scope.cancel_called(); }, "cancel_scope::cancel_called");
        EXPECT_EQ(lowlevel::current_statistics().tasks_runnable, 0U);
        EXPECT_TRUE(scope.cancel_called());
        EXPECT_EQ(lowlevel::current_statistics().tasks_runnable, 1U);
    });
}

TOMBOLO_TEST(wrong_thread, a_nursery_takes_no_children_from_another_thread) {
    open_nursery([](nursery& n) {
        const std::size_t living = lowlevel::current_statistics().tasks_living;
        expect_refused_elsewhere<not_in_run>([&] { n.start_soon(body_never_called); }, "start_soon");
        expect_refused_elsewhere<not_in_run>(
            [&] { n.start([](task_status<>&) { body_never_called(); }); }, "nursery::start");
        EXPECT_TRUE(n.child_tasks().empty());
        EXPECT_EQ(lowlevel::current_statistics().tasks_living, living);
    });
}

TOMBOLO_TEST(wrong_thread, a_parked_task_is_not_woken_from_another_thread) {
    open_nursery([](nursery& n) {
        bool woken = false;
        lowlevel::wait_ticket ticket;
        n.start_soon([&] {
            ticket = lowlevel::next_wait();
            EXPECT_EQ(lowlevel::park<int>([](const lowlevel::raise_cancel&) { return lowlevel::abort::failed; }), 7);
            woken = true;
        });
        wait_all_tasks_blocked();
        task& child = *n.child_tasks().front();
        expect_refused_elsewhere([&] { lowlevel::reschedule(child, outcome<int>(1)); }, "reschedule");
        expect_refused_elsewhere([&] { lowlevel::reschedule(ticket, outcome<int>(1)); }, "reschedule");
        expect_refused_elsewhere(
            [&] { lowlevel::reschedule(child, std::make_exception_ptr(std::runtime_error("no"))); }, "reschedule");
        wait_all_tasks_blocked();
        EXPECT_FALSE(woken);
        lowlevel::reschedule(ticket, outcome<int>(7));
        wait_all_tasks_blocked();
        EXPECT_TRUE(woken);
    });
}

}  // namespace
}  // namespace tombolo::testing
