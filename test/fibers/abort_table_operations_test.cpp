#include "test/fibers/abort_table.hpp"
#include "test/fibers/cancellation.hpp"
#include "test/fibers/thrown.hpp"
#include "test/fibers/with_waker.hpp"
#include "test/support/descriptors.hpp"

#include <tombolo/base/scope_exit.hpp>
#include <tombolo/fibers/nursery.hpp>
#include <tombolo/fibers/park.hpp>
#include <tombolo/fibers/parking_lot.hpp>
#include <tombolo/fibers/run_token.hpp>
#include <tombolo/fibers/statistics.hpp>
#include <tombolo/fibers/timeouts.hpp>
#include <tombolo/fibers/wait_fd.hpp>
#include <tombolo/testing/sequencer.hpp>
#include <tombolo/testing/wait_all_tasks_blocked.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

// The rows of the abort table: every blocking primitive, with what has to be true of its surroundings afterwards.

namespace tombolo::testing {

namespace {

using namespace std::chrono_literals;
using lowlevel::parking_lot;

operation sleep(const std::string& name, const std::function<void()>& call) {
    return {name, true, [call](attempt& make) {
                const time_point start = now();
                if (make(call)) {
                    EXPECT_GE(now(), start);
                } else {
                    EXPECT_LE(now(), start + 1h);
                }
                expect_no_waits();
            }};
}

std::vector<operation> sleeps() {
    return {
        sleep("checkpoint", [] { checkpoint(); }),
        sleep(
            "three_checkpoints",
            [] {
                for (int i = 0; i < 3; ++i) checkpoint();
            }),
        sleep("sleep_for", [] { sleep_for(1h); }),
        sleep("sleep_for_zero", [] { sleep_for(0s); }),
        sleep("sleep_until", [] { sleep_until(now() + 1h); }),
        sleep("sleep_until_the_past", [] { sleep_until(time_point::min()); }),
        sleep(
            "three_sleeps",
            [] {
                for (int i = 0; i < 3; ++i) sleep_for(20min);
            }),
        sleep("sleep_forever_with_a_timeout", [] { EXPECT_FALSE(move_on_after(1h, [] { sleep_forever(); })); }),
        sleep("fail_after", [] { expect_error<too_slow>([] { fail_after(1h, [] { sleep_forever(); }); }); }),
        {"cancel_shielded_checkpoint", false,
         [](attempt& make) { EXPECT_TRUE(make([] { lowlevel::cancel_shielded_checkpoint(); })); }},
        {"sleep_in_a_shield", false,
         [](attempt& make) {
             const time_point start = now();
             EXPECT_TRUE(make([] { move_on_after(2h, [] { sleep_for(1h); }, {.shield = true}); }));
             EXPECT_EQ(now(), start + 1h);
             expect_no_waits();
         }},
    };
}

std::vector<operation> parks() {
    return {
        {"park", true,
         [](attempt& make) {
             const lowlevel::wait_ticket ticket = lowlevel::next_wait();
             std::optional<int> got;
             bool delivered = false;
             const auto wake = [&] {
                 if (ticket.waiter() == nullptr) return;
                 lowlevel::reschedule(ticket, outcome<int>(7));
                 delivered = true;
             };
             with_waker(wake, [&] {
                 const bool completed = make([&] { got = park_willingly<int>(); });
                 EXPECT_EQ(completed, got.has_value());
             });
             EXPECT_EQ(got.has_value(), delivered) << "what was delivered is kept, and only that";
         }},
        {"park_that_refuses_to_be_aborted", false,
         [](attempt& make) {
             task& self = lowlevel::current_task();
             std::optional<int> got;
             with_waker(
                 [&] { lowlevel::reschedule(self, outcome<int>(7)); },
                 [&] { EXPECT_TRUE(make([&] { got = park_stubbornly<int>(); })); });
             EXPECT_EQ(got, 7);
         }},
        {"park_that_is_given_an_error", true,
         [](attempt& make) {
             const lowlevel::wait_ticket ticket = lowlevel::next_wait();
             bool thrown = false;
             const auto wake = [&] {
                 if (ticket.waiter() != nullptr) lowlevel::reschedule(ticket, outcome<>(make_error("the answer")));
             };
             with_waker(wake, [&] {
                 const bool completed = make([&] {
                     expect_error<std::runtime_error>([] { park_willingly(); });
                     thrown = true;
                 });
                 EXPECT_EQ(completed, thrown);
             });
         }},
        {"wait_all_tasks_blocked", true,
         [](attempt& make) {
             open_nursery([&](nursery& n) {
                 n.start_soon([] {
                     for (int i = 0; i < 3; ++i) lowlevel::cancel_shielded_checkpoint();
                 });
                 make([] { wait_all_tasks_blocked(); });
             });
             wait_all_tasks_blocked();
         }},
        {"sequencer", true,
         [](attempt& make) {
             sequencer in_turn;
             bool had_its_turn = false;
             const auto take_first_turn = [&] {
                 try {
                     in_turn(0, [] {});
                 } catch (const broken_resource&) {  // by the cancelled wait
                 }
             };
             with_waker(take_first_turn, [&] {
                 const bool completed = make([&] { in_turn(1, [&] { had_its_turn = true; }); });
                 EXPECT_EQ(completed, had_its_turn);
             });
             if (had_its_turn)
                 in_turn(2, [] {});
             else
                 expect_error<broken_resource>([&] { in_turn(2, [] {}); });
         }},
    };
}

std::vector<operation> lots() {
    return {
        {"parking_lot_park", true,
         [](attempt& make) {
             parking_lot lot;
             std::size_t woken = 0;
             with_waker(
                 [&] { woken = lot.unpark().size(); },
                 [&] {
                     const bool completed = make([&] { lot.park(); });
                     EXPECT_TRUE(lot.empty());
                     wait_all_tasks_blocked();
                     EXPECT_EQ(completed, woken == 1) << "a wake-up is not lost, and not invented";
                 });
         }},
        {"parking_lot_park_and_repark", true,
         [](attempt& make) {
             parking_lot first;
             parking_lot second;
             const auto move_and_wake = [&] {
                 first.repark_all(second);
                 wait_all_tasks_blocked();
                 second.unpark_all();
             };
             with_waker(move_and_wake, [&] {
                 make([&] { first.park(); });
                 EXPECT_TRUE(first.empty());
                 EXPECT_TRUE(second.empty());
             });
         }},
        {"parking_lot_that_breaks", true,
         [](attempt& make) {
             parking_lot lot;
             bool told = false;
             with_waker(
                 [&] { lot.break_lot(); },
                 [&] {
                     const bool completed = make([&] {
                         expect_error<broken_resource>([&] { lot.park(); });
                         told = true;
                     });
                     EXPECT_EQ(completed, told);
                     EXPECT_TRUE(lot.empty());
                 });
         }},
        {"parking_lot_three_times", true,
         [](attempt& make) {
             parking_lot lot;
             const auto wake_thrice = [&] {
                 for (int i = 0; i < 3; ++i) {
                     lot.unpark();
                     wait_all_tasks_blocked();
                 }
             };
             with_waker(wake_thrice, [&] {
                 make([&] {
                     for (int i = 0; i < 3; ++i) lot.park();
                 });
                 EXPECT_TRUE(lot.empty());
             });
         }},
    };
}

std::vector<operation> descriptors() {
    return {
        {"wait_readable", true,
         [](attempt& make) {
             const open_pipe pipe;
             with_waker(
                 [&] { put(pipe.writer, "x"); },
                 [&] {
                     make([&] { lowlevel::wait_readable(pipe.reader.get()); });
                     expect_no_waits();
                 });
             EXPECT_EQ(take(pipe.reader), "x") << "waiting takes nothing away";
         }},
        {"wait_readable_when_there_is_something", true,
         [](attempt& make) {
             const open_pipe pipe;
             put(pipe.writer, "x");
             make([&] { lowlevel::wait_readable(pipe.reader.get()); });
             expect_no_waits();
             lowlevel::wait_readable(pipe.reader.get());
         }},
        {"wait_writable", true,
         [](attempt& make) {
             const open_sockets sockets;
             fill(sockets.near);
             with_waker(
                 [&] { take(sockets.far); },
                 [&] {
                     make([&] { lowlevel::wait_writable(sockets.near.get()); });
                     expect_no_waits();
                 });
             lowlevel::wait_writable(sockets.near.get());
         }},
        {"wait_readable_beside_a_writer", true,
         [](attempt& make) {
             const open_sockets sockets;
             fill(sockets.near);
             bool writer_woken = false;
             open_nursery([&](nursery& n) {
                 n.start_soon([&] {
                     lowlevel::wait_writable(sockets.near.get());
                     writer_woken = true;
                 });
                 n.start_soon([&] {
                     wait_all_tasks_blocked();
                     put(sockets.far, "x");
                     wait_all_tasks_blocked();
                     EXPECT_FALSE(writer_woken);
                     take(sockets.far);
                 });
                 make([&] { lowlevel::wait_readable(sockets.near.get()); });
             });
             EXPECT_TRUE(writer_woken) << "the other direction is none of its business";
         }},
        {"wait_readable_that_is_closed", true,
         [](attempt& make) {
             const open_pipe pipe;
             with_waker(
                 [&] { lowlevel::notify_closing(pipe.reader.get()); },
                 [&] {
                     make([&] { expect_error<closed_resource>([&] { lowlevel::wait_readable(pipe.reader.get()); }); });
                     expect_no_waits();
                 });
         }},
    };
}

}  // namespace

std::vector<operation> blocking_operations() {
    std::vector<operation> all;
    for (const auto& part : {sleeps(), parks(), lots(), descriptors(), nursery_operations(), more_operations()})
        all.insert(all.end(), part.begin(), part.end());
    return all;
}

}  // namespace tombolo::testing
