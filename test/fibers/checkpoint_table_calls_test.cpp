#include "test/fibers/cancellation.hpp"
#include "test/fibers/checkpoint_claims.hpp"

#include <tombolo/fibers/instrument.hpp>
#include <tombolo/fibers/keyboard_interrupt.hpp>
#include <tombolo/fibers/nursery.hpp>
#include <tombolo/fibers/park.hpp>
#include <tombolo/fibers/parking_lot.hpp>
#include <tombolo/fibers/run.hpp>
#include <tombolo/fibers/run_local.hpp>
#include <tombolo/fibers/run_token.hpp>
#include <tombolo/fibers/statistics.hpp>
#include <tombolo/fibers/system_task.hpp>
#include <tombolo/fibers/task_local.hpp>
#include <tombolo/fibers/task_tree.hpp>
#include <tombolo/fibers/timeouts.hpp>
#include <tombolo/testing/recording_instrument.hpp>
#include <tombolo/testing/test_run.hpp>
#include <tombolo/testing/wait_all_tasks_blocked.hpp>

#include <gtest/gtest.h>

#include <sstream>
#include <thread>

// The rows of what never blocks, but for scopes.

namespace tombolo::testing {
namespace {

task_local<int> a_task_local(1);
run_local<int> a_run_local(1);

/// A child that waits in a park, and what is done about it.
template <class Use>
void with_parked_child(Use use) {
    open_nursery([&](nursery& n) {
        task* child = nullptr;
        lowlevel::wait_ticket ticket;
        n.start_soon([&] {
            child = &lowlevel::current_task();
            ticket = lowlevel::next_wait();
            park_stubbornly<int>();
        });
        wait_all_tasks_blocked();
        use(*child, ticket);
    });
}

const checkpoint_rows runs{
    {"fibers/run.hpp",
     "run",
     "never (it blocks the thread; it is no task that could let others run)",
     {never([](call_check& check) {
         check([] { EXPECT_THROW(run([] { ADD_FAILURE() << "nested"; }), nested_run); });
         check([] { std::thread([] { run([] { checkpoint(); }); }).join(); });
     })}},
    {"fibers/run.hpp", "in_run", "never", {never([](call_check& check) { check([] { EXPECT_TRUE(in_run()); }); })}},
    {"fibers/run.hpp", "in_task", "never", {never([](call_check& check) { check([] { EXPECT_TRUE(in_task()); }); })}},
    {"testing/test_run.hpp", "run_test_body", "never (it is a whole run)", {never([](call_check& check) {
         check([] { std::thread([] { EXPECT_EQ(run_test_body([] { checkpoint(); }).failure, ""); }).join(); });
     })}},
    {"fibers/flavour.hpp", "current_flavour", "never", {never([](call_check& check) {
         check([] { EXPECT_EQ(current_flavour(), flavour::fiber); });
     })}},
    {"fibers/clock.hpp", "now", "never", {never([](call_check& check) { check([] { now(); }); })}},
    {"fibers/clock.hpp", "current_clock", "never", {never([](call_check& check) {
         check([] { EXPECT_EQ(&lowlevel::current_clock(), &test_clock()); });
     })}},
    {"fibers/statistics.hpp", "current_statistics", "never", {never([](call_check& check) {
         check([] { lowlevel::current_statistics(); });
     })}},
    {"fibers/task_tree.hpp", "dump_tasks", "never", {never([](call_check& check) {
         std::ostringstream out;
         check([&] { lowlevel::dump_tasks(out); });
         EXPECT_NE(out.str().find("main"), std::string::npos);
     })}},
    {"fibers/task_tree.hpp", "task_tree", "never", {never([](call_check& check) {
         check([] { EXPECT_NE(lowlevel::task_tree(), ""); });
     })}},
    {"fibers/checkpoint.hpp", "current_checkpoint_counts", "never", {never([](call_check& check) {
         check([] { lowlevel::current_checkpoint_counts(); });
     })}},
};

const checkpoint_rows tasks{
    {"fibers/task.hpp", "current_task", "never", {never([](call_check& check) {
         check([] { lowlevel::current_task(); });
     })}},
    {"fibers/task.hpp", "current_root_task", "never", {never([](call_check& check) {
         check([] { lowlevel::current_root_task(); });
     })}},
    {"fibers/task_local.hpp", "task_local", "never", {never([](call_check& check) {
         check([] {
             variable_token token = a_task_local.set(2);
             EXPECT_EQ(a_task_local.get(), 2);
             EXPECT_EQ(a_task_local.get(3), 2);
             a_task_local.reset(token);
         });
     })}},
    {"fibers/run_local.hpp", "run_local", "never", {never([](call_check& check) {
         check([] {
             variable_token token = a_run_local.set(2);
             EXPECT_EQ(a_run_local.get(), 2);
             EXPECT_EQ(a_run_local.get(3), 2);
             a_run_local.reset(token);
         });
     })}},
    {"fibers/system_task.hpp", "spawn_system_task", "never", {never([](call_check& check) {
         check([] { lowlevel::spawn_system_task([] { checkpoint(); }); });
     })}},
    {"fibers/no_checkpoint.hpp", "no_checkpoint", "never", {never([](call_check& check) {
         check([] { const no_checkpoint nested; });
     })}},
    {"fibers/keyboard_interrupt.hpp", "interrupt_guard", "never", {never([](call_check& check) {
         using guard = lowlevel::interrupt_guard;
         check([] { const guard inside(guard::mode::protect); });
         check([] { const guard inside(guard::mode::allow); });
     })}},
    {"fibers/keyboard_interrupt.hpp", "currently_interrupt_protected", "never", {never([](call_check& check) {
         check([] { lowlevel::currently_interrupt_protected(); });
     })}},
};

const checkpoint_rows started{
    {"fibers/task_status.hpp", "ignored_task_status", "never", {never([](call_check& check) {
         check([] { ignored_task_status<int>().started(1); });
     })}},
    {"fibers/task_status.hpp", "task_status_started_with_a_value", "never", {never([](call_check& check) {
         open_nursery(
             [&](nursery& n) { n.start<int>([&](task_status<int>& status) { check([&] { status.started(1); }); }); });
     })}},
    {"fibers/task_status.hpp", "task_status_started", "never", {never([](call_check& check) {
         open_nursery([&](nursery& n) { n.start([&](task_status<>& status) { check([&] { status.started(); }); }); });
     })}},
};

const checkpoint_rows wakers{
    {"fibers/park.hpp", "reschedule", "never", {never([](call_check& check) {
         with_parked_child([&](task& child, auto) {
             check([&] { lowlevel::reschedule(child, outcome<int>(1)); });
             check([&] { EXPECT_THROW(lowlevel::reschedule(child, outcome<int>(2)), invalid_reschedule); });
         });
     })}},
    {"fibers/park.hpp", "wait_ticket_waiter", "never", {never([](call_check& check) {
         with_parked_child([&](task& child, lowlevel::wait_ticket ticket) {
             check([&] { EXPECT_EQ(ticket.waiter(), &child); });
             lowlevel::reschedule(child, outcome<int>(1));
             check([&] { EXPECT_EQ(ticket.waiter(), nullptr); });
         });
     })}},
    {"fibers/park.hpp", "next_wait", "never", {never([](call_check& check) {
         check([] { EXPECT_EQ(lowlevel::next_wait().waiter(), nullptr); });
     })}},
    {"fibers/park.hpp", "reschedule_by_ticket", "never", {never([](call_check& check) {
         with_parked_child([&](task&, lowlevel::wait_ticket ticket) {
             check([&] { lowlevel::reschedule(ticket, outcome<int>(1)); });
             check([&] { EXPECT_THROW(lowlevel::reschedule(ticket, outcome<int>(2)), invalid_reschedule); });
         });
     })}},
    {"fibers/run_token.hpp", "run_sync_soon", "never", {never([](call_check& check) {
         const lowlevel::run_token token = lowlevel::current_run_token();
         check([&] { token.run_sync_soon([] {}); });
         check([&] { token.run_sync_soon([] {}, {.idempotent = &token}); });
     })}},
    {"fibers/run_token.hpp", "current_run_token", "never", {never([](call_check& check) {
         check([] { lowlevel::current_run_token(); });
     })}},
    {"fibers/run_token.hpp", "signal_job_post", "never", {never([](call_check& check) {
         lowlevel::signal_job job([] {});
         check([&] { EXPECT_TRUE(job.post()); });
         wait_all_tasks_blocked();
     })}},
    {"fibers/instrument.hpp", "add_instrument", "never", {never([](call_check& check) {
         recording_instrument recorder;
         check([&] { lowlevel::add_instrument(&recorder); });
         lowlevel::remove_instrument(recorder);
     })}},
    {"fibers/instrument.hpp", "remove_instrument", "never", {never([](call_check& check) {
         recording_instrument recorder;
         lowlevel::add_instrument(&recorder);
         check([&] { lowlevel::remove_instrument(recorder); });
     })}},
};

/// Three tasks that wait in a lot.
template <class Use>
void with_occupied_lot(Use use) {
    lowlevel::parking_lot lot;
    open_nursery([&](nursery& n) {
        for (int i = 0; i < 3; ++i) {
            n.start_soon([&] {
                try {
                    lot.park();
                } catch (const broken_resource&) {}
            });
        }
        wait_all_tasks_blocked();
        use(lot);
        lot.unpark_all();
    });
}

const checkpoint_rows lots{
    {"fibers/parking_lot.hpp", "parking_lot_unpark", "never", {never([](call_check& check) {
         with_occupied_lot([&](lowlevel::parking_lot& lot) {
             check([&] { EXPECT_EQ(lot.unpark().size(), 1U); });
             check([&] { EXPECT_EQ(lot.unpark_all().size(), 2U); });
             check([&] { lot.unpark_all(); });
         });
     })}},
    {"fibers/parking_lot.hpp", "parking_lot_repark", "never", {never([](call_check& check) {
         with_occupied_lot([&](lowlevel::parking_lot& lot) {
             lowlevel::parking_lot other;
             check([&] { lot.repark(other); });
             check([&] { lot.repark_all(other); });
             other.unpark_all();
         });
     })}},
    {"fibers/parking_lot.hpp", "parking_lot_break_lot", "never", {never([](call_check& check) {
         with_occupied_lot([&](lowlevel::parking_lot& lot) { check([&] { lot.break_lot(); }); });
     })}},
    {"fibers/parking_lot.hpp", "add_parking_lot_breaker", "never", {never([](call_check& check) {
         lowlevel::parking_lot lot;
         check([&] { lowlevel::add_parking_lot_breaker(lowlevel::current_task(), lot); });
     })}},
    {"fibers/parking_lot.hpp", "remove_parking_lot_breaker", "never", {never([](call_check& check) {
         lowlevel::parking_lot lot;
         lowlevel::add_parking_lot_breaker(lowlevel::current_task(), lot);
         check([&] { lowlevel::remove_parking_lot_breaker(lowlevel::current_task(), lot); });
     })}},
};

}  // namespace
}  // namespace tombolo::testing
