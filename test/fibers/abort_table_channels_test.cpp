#include "test/fibers/abort_table.hpp"
#include "test/fibers/with_waker.hpp"

#include <tombolo/base/scope_exit.hpp>
#include <tombolo/fibers/all_of.hpp>
#include <tombolo/fibers/any_of.hpp>
#include <tombolo/fibers/channel.hpp>
#include <tombolo/fibers/map_concurrently.hpp>
#include <tombolo/fibers/nursery.hpp>
#include <tombolo/fibers/timeouts.hpp>
#include <tombolo/fibers/with_generator.hpp>
#include <tombolo/testing/wait_all_tasks_blocked.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

// The rows of channels, generators and combinators: wherever they are cancelled, a value is neither lost nor doubled.

namespace tombolo::testing {
namespace {

using namespace std::chrono_literals;

void expect_nobody_waits(const channel_statistics& seen) {
    EXPECT_EQ(seen.tasks_waiting_send, 0U);
    EXPECT_EQ(seen.tasks_waiting_receive, 0U);
}

const operation_rows channels{
    {"sender_send_into_the_buffer", true,
     [](attempt& make) {
         auto [tx, rx] = open_channel<int>(1);
         const bool completed = make([&] { tx.send(1); });
         EXPECT_EQ(rx.try_receive().has_value(), completed);
     }},
    {"sender_send_that_waits", true,
     [](attempt& make) {
         auto [tx, rx] = open_channel<std::unique_ptr<int>>(0);
         std::unique_ptr<int> value = std::make_unique<int>(1);
         std::optional<std::unique_ptr<int>> got;
         with_waker(
             [&] { got = rx.try_receive(); },
             [&] {
                 const bool completed = make([&] { tx.send(std::move(value)); });
                 EXPECT_EQ(value == nullptr, completed);
                 expect_nobody_waits(tx.statistics());
             });
         EXPECT_EQ(got.has_value(), value == nullptr) << "it has one owner";
     }},
    {"sender_send_to_who_waits", true,
     [](attempt& make) {
         auto [tx, rx] = open_channel<int>(0);
         std::optional<int> got;
         open_nursery([&](nursery& n) {
             n.start_soon([&] {
                 try {
                     got = rx.receive();
                 } catch (const end_of_channel&) {}
             });
             wait_all_tasks_blocked();
             const bool completed = make([&] { tx.send(1); });
             tx.close();
             wait_all_tasks_blocked();
             EXPECT_EQ(got.has_value(), completed);
         });
     }},
    {"sender_wait_for_receiver", true,
     [](attempt& make) {
         auto [tx, rx] = open_channel<int>(0);
         with_waker(
             [&] { static_cast<void>(move_on_after(1s, [&] { rx.receive(); })); },
             [&] { make([&] { tx.wait_for_receiver(); }); });
         expect_nobody_waits(tx.statistics());
     }},
    {"receiver_receive_from_the_buffer", true,
     [](attempt& make) {
         auto [tx, rx] = open_channel<int>(1);
         EXPECT_TRUE(tx.try_send(1));
         const bool completed = make([&] { rx.receive(); });
         EXPECT_EQ(rx.try_receive().has_value(), !completed);
     }},
    {"receiver_receive_that_waits", true,
     [](attempt& make) {
         auto [tx, rx] = open_channel<int>(0);
         std::optional<int> got;
         bool sent = false;
         with_waker(
             [&] { sent = tx.try_send(1); },
             [&] {
                 const bool completed = make([&] { got = rx.receive(); });
                 EXPECT_EQ(got.has_value(), completed);
                 expect_nobody_waits(rx.statistics());
             });
         EXPECT_EQ(got.has_value(), sent);
     }},
    {"receiver_receive_from_who_waits", true,
     [](attempt& make) {
         auto [tx, rx] = open_channel<int>(0);
         bool sent = false;
         open_nursery([&](nursery& n) {
             n.start_soon([&] {
                 try {
                     tx.send(1);
                     sent = true;
                 } catch (const broken_resource&) {}
             });
             wait_all_tasks_blocked();
             const bool completed = make([&] { rx.receive(); });
             rx.close();
             wait_all_tasks_blocked();
             EXPECT_EQ(sent, completed);
         });
     }},
    {"receiver_loop", true,
     [](attempt& make) {
         auto [tx, rx] = open_channel<int>(1);
         int got = 0;
         open_nursery([&](nursery& n) {
             n.start_soon([own = std::move(tx)]() mutable {
                 try {
                     for (int i = 0; i < 3; ++i) own.send(1);
                 } catch (const broken_resource&) {}
             });
             const bool completed = make([&] {
                 for (int value : rx) got += value;
             });
             rx.close();
             if (completed) {
                 EXPECT_EQ(got, 3);
             }
         });
     }},
    {"receive_that_is_closed", true,
     [](attempt& make) {
         auto [tx, rx] = open_channel<int>(0);
         with_waker([&] { rx.close(); }, [&] { make([&] { expect_error<closed_resource>([&] { rx.receive(); }); }); });
         expect_nobody_waits(tx.statistics());
     }},
};

const operation_rows on_nurseries{
    {"with_generator", true,
     [](attempt& make) {
         int begun = 0;
         int ended = 0;
         make([&] {
             with_generator<int>(
                 [&](yielder<int>& to) {
                     ++begun;
                     const scope_exit note([&] { ++ended; });
                     for (int i = 0; i < 3; ++i) to.emit(i);
                 },
                 [](receiver<int>& rx) {
                     for (int value : rx) sleep_for(value * 1s);
                 });
         });
         EXPECT_EQ(begun, ended);
         expect_no_waits();
     }},
    {"all_of", true,
     [](attempt& make) {
         bool got = false;
         const bool completed = make([&] {
             const auto [a, b] = all_of([] { return sleep_for(1s), 1; }, [] { return sleep_for(2s), 2; });
             got = a + b == 3;
         });
         EXPECT_EQ(got, completed);
         expect_no_waits();
     }},
    {"any_of", true,
     [](attempt& make) {
         int got = 0;
         const bool completed =
             make([&] { got = any_of([] { return sleep_for(1s), 1; }, [] { return sleep_for(2s), 2; }); });
         EXPECT_EQ(got, completed ? 1 : 0);
         expect_no_waits();
     }},
    {"map_concurrently", true,
     [](attempt& make) {
         int running = 0;
         std::vector<int> got;
         const bool completed = make([&] {
             got = map_concurrently(std::vector{3, 2, 1}, 2, [&](int i) {
                 ++running;
                 const scope_exit note([&] { --running; });
                 sleep_for(i * 1s);
                 return i;
             });
         });
         EXPECT_EQ(running, 0);
         EXPECT_EQ(got, completed ? (std::vector{3, 2, 1}) : std::vector<int>{});
         expect_no_waits();
     }},
};

}  // namespace
}  // namespace tombolo::testing
