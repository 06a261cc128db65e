#include "test/fibers/guest_runs.hpp"
#include "test/support/descriptors.hpp"

#include <tombolo/base/scope_exit.hpp>
#include <tombolo/fibers/checkpoint.hpp>
#include <tombolo/fibers/nursery.hpp>
#include <tombolo/fibers/run_token.hpp>
#include <tombolo/fibers/system_task.hpp>
#include <tombolo/fibers/timeouts.hpp>
#include <tombolo/fibers/wait_fd.hpp>
#include <tombolo/testing/wait_all_tasks_blocked.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

namespace tombolo::testing {
namespace {

using namespace std::chrono_literals;

TYPED_TEST_SUITE(guest_runs, every_host);

// case 51
TYPED_TEST(guest_runs, give_main_s_value_to_done) {
    EXPECT_EQ(this->host_guest([] { return std::string("in and out"); }).value(), "in and out");
    EXPECT_TRUE(this->host_guest([] { checkpoint(); }).has_value());
    EXPECT_EQ(*this->host_guest([] { return std::make_unique<int>(3); }).value(), 3);
}

// case 51
TYPED_TEST(guest_runs, give_main_s_error_to_done_unwrapped) {
    const auto how = this->host_guest([]() -> int {
        sleep_for(1ms);
        throw std::out_of_range("no such island");
    });
    EXPECT_THROW(static_cast<void>(how.value()), std::out_of_range);
}

// case 51
TYPED_TEST(guest_runs, can_do_io) {
    const auto echoed = this->host_guest([] {
        const open_sockets sockets;
        std::string got;
        open_nursery([&](nursery& n) {
            n.start_soon([&] {
                for (int i = 0; i < 3; ++i) {
                    lowlevel::wait_readable(sockets.near.get());
                    char byte = 0;
                    ASSERT_EQ(::recv(sockets.near.get(), &byte, 1, 0), 1);
                    got += byte;
                }
            });
            for (const char byte : {'a', 'b', 'c'}) {
                wait_all_tasks_blocked();
                lowlevel::wait_writable(sockets.far.get());
                ASSERT_EQ(::send(sockets.far.get(), &byte, 1, 0), 1);
            }
        });
        return got;
    });
    EXPECT_EQ(echoed.value(), "abc");
}

TYPED_TEST(guest_runs, wait_for_real_deadlines) {
    const auto begun = std::chrono::steady_clock::now();
    EXPECT_TRUE(this->host_guest([] { sleep_for(20ms); }).has_value());
    EXPECT_GE(std::chrono::steady_clock::now() - begun, 20ms);
}

// G1
TYPED_TEST(guest_runs, call_done_as_the_very_last_thing) {
    std::string order;
    auto guest = lowlevel::start_guest_run(
        [&] {
            const scope_exit end_of_main([&] { order += 'm'; });
            lowlevel::spawn_system_task([&] {
                const scope_exit end_of_system_task([&] { order += 's'; });
                sleep_forever();
            });
            lowlevel::current_run_token().run_sync_soon([&] { order += 'p'; });
            checkpoint();
        },
        this->host,
        [&](outcome<void>) {
            order += 'd';
            EXPECT_FALSE(in_run());
            this->host.stop();
        });
    this->host.turn_until_stopped();
    ASSERT_EQ(order.size(), 4U);
    EXPECT_EQ(order.back(), 'd');
    EXPECT_TRUE(guest.ended());
}

TYPED_TEST(guest_runs, take_functions_that_can_only_be_moved) {
    auto input = std::make_unique<int>(4);
    std::optional<int> output;
    auto guest = lowlevel::start_guest_run(
        [input = std::move(input)] { return std::make_unique<int>(*input + 1); }, this->host,
        [this, &output, witness = std::make_unique<int>(1)](outcome<std::unique_ptr<int>> how) {
            output = *std::move(how).value() + *witness;
            this->host.stop();
        });
    this->host.turn_until_stopped();
    EXPECT_EQ(output, 6);
}

TYPED_TEST(guest_runs, go_on_without_their_handle) {
    bool ended = false;
    lowlevel::start_guest_run(
        [] { sleep_for(1ms); }, this->host,
        [&](outcome<void>) {
            ended = true;
            this->host.stop();
        });
    this->host.turn_until_stopped();
    EXPECT_TRUE(ended);
}

TYPED_TEST(guest_runs, have_handles_that_are_all_alike) {
    auto guest = lowlevel::start_guest_run([] { sleep_forever(); }, this->host, [](auto&&) {});
    lowlevel::guest_run copy = guest;
    EXPECT_TRUE(copy.token() == guest.token());
    copy.cancel();
    copy.drain();
    EXPECT_TRUE(guest.ended());
}

TYPED_TEST(guest_runs, follow_each_other_in_the_same_host) {
    for (int i = 0; i < 20; ++i) {
        const auto how = this->host_guest([i] {
            sleep_for(10us);
            return i;
        });
        EXPECT_EQ(how.value(), i);
    }
}

TYPED_TEST(guest_runs, have_programs_of_many_tasks) {
    const auto how = this->host_guest([] {
        int ended = 0;
        open_nursery([&](nursery& n) {
            for (int i = 0; i < 1'000; ++i) {
                n.start_soon([&ended, i] {
                    if (i % 3 == 0) sleep_for(std::chrono::microseconds(i));
                    checkpoint();
                    ++ended;
                });
            }
        });
        return ended;
    });
    EXPECT_EQ(how.value(), 1'000);
}

}  // namespace
}  // namespace tombolo::testing
