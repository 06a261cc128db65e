#include "test/fibers/guest_runs.hpp"
#include "test/fibers/thrown.hpp"

#include <tombolo/fibers/checkpoint.hpp>
#include <tombolo/fibers/errors.hpp>
#include <tombolo/fibers/instrument.hpp>
#include <tombolo/fibers/nursery.hpp>
#include <tombolo/fibers/task_host.hpp>
#include <tombolo/fibers/timeouts.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <concepts>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

// A host that goes away before its guest has ended: G8, C-13.
namespace tombolo::testing {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

/// What `f` makes the library print.
template <class F>
std::string printed_by(F&& f) {
    ::testing::internal::CaptureStderr();
    f();
    return ::testing::internal::GetCapturedStderr();
}

template <class Host>
class abandoned_guests : public guest_runs<Host> {
protected:
    template <class F>
    lowlevel::guest_run start(F main) {
        return lowlevel::start_guest_run(
            std::move(main), this->host, [](auto&&) { ADD_FAILURE() << "done was called"; });
    }
    /// Turns until `guest` has slept, and the host is about to call it again: while it sleeps a posting host has no callback.
    void turn_for_a_while(lowlevel::guest_run& guest) {
        this->in_its_sleep([this] { this->host.stop(); });
        this->host.turn_until_stopped();
        if constexpr (std::derived_from<Host, lowlevel::posting_host>) {
            guest.token().run_sync_soon([] {});
            while (this->host.events() == 0) std::this_thread::yield();
        }
    }
};
TYPED_TEST_SUITE(abandoned_guests, every_host);

// case 55
TYPED_TEST(abandoned_guests, are_reported_with_their_tasks) {
    auto guest = this->start([] {
        open_nursery([](nursery& n) {
            n.start_soon([] { sleep_forever(); }, {.name = "lighthouse keeper"});
            sleep_forever();
        });
    });
    this->turn_for_a_while(guest);
    EXPECT_THAT(
        printed_by([&] { this->host.drop_everything(); }),
        AllOf(HasSubstr("abandoned"), HasSubstr("main"), HasSubstr("lighthouse keeper"), HasSubstr("drain()")));
    EXPECT_TRUE(guest.ended());
}

// case 55
TYPED_TEST(abandoned_guests, leave_the_thread_to_other_runs) {
    for (int i = 0; i < 3; ++i) {
        auto guest = this->start([] { sleep_forever(); });
        if (i == 0) this->turn_for_a_while(guest);
        EXPECT_THAT(printed_by([&] { this->host.drop_everything(); }), HasSubstr("abandoned"));
        EXPECT_FALSE(in_run());
        EXPECT_EQ(
            run([] {
                sleep_for(1us);
                return 5;
            }),
            5);
        EXPECT_EQ(
            this->host_guest([] {
                    sleep_for(1us);
                    return 6;
                })
                .value(),
            6);
    }
}

TYPED_TEST(abandoned_guests, refuse_every_call) {
    auto guest = this->start([] { sleep_forever(); });
    this->turn_for_a_while(guest);
    printed_by([&] { this->host.drop_everything(); });
    EXPECT_THROW(guest.token().run_sync_soon([] {}), run_finished);
    EXPECT_THROW(guest.drain(), run_finished);
    EXPECT_THROW(guest.call([] {}), run_finished);
    EXPECT_NO_THROW(guest.cancel());
}

// What is on their stacks stays there.
TYPED_TEST(abandoned_guests, are_not_unwound) {
    static int destroyed = 0;
    destroyed = 0;
    struct witness {
        ~witness() { ++destroyed; }
    };
    printed_by([&] {
        auto guest = this->start([captured = std::make_unique<witness>()] {
            const witness on_the_stack;
            sleep_forever();
        });
        this->turn_for_a_while(guest);
        this->host.drop_everything();
    });
    EXPECT_EQ(destroyed, 0);
}

TEST(abandoned_guests_of_a_watching_host, may_be_so_from_inside_one_of_their_own_steps) {
    watching_loop host;
    bool went_on = false;
    auto guest = lowlevel::start_guest_run(
        [&] {
            host.drop_everything();
            host.stop();
            went_on = true;
            sleep_forever();
        },
        host, [](auto&&) { ADD_FAILURE() << "done was called"; });
    EXPECT_THAT(printed_by([&] { host.turn_until_stopped(); }), HasSubstr("abandoned"));
    EXPECT_TRUE(went_on) << "the step was to be finished";
    EXPECT_TRUE(guest.ended());
    EXPECT_FALSE(in_run());
}

// Dropped at the last moment.
TEST(abandoned_guests_of_a_watching_host, that_have_just_ended_have_ended) {
    watching_loop host;
    struct dropper final : instrument {
        explicit dropper(watching_loop& host) : host_(host) {}
        void after_run() override { host_.drop_everything(); }
        watching_loop& host_;
    } watcher(host);
    int result = 0;
    const auto done = [&](outcome<int> how) {
        if (how.has_value()) result = how.value();
        host.stop();
    };
    auto guest = lowlevel::start_guest_run([] { return 9; }, host, done, {.instruments = {&watcher}});
    EXPECT_THAT(printed_by([&] { host.turn_until_stopped(); }), IsEmpty());
    EXPECT_EQ(result, 9);
    EXPECT_FALSE(in_run());
}

struct host_with_a_bag final : lowlevel::posting_host {
    void run_soon_threadsafe(unique_function<void()> f) override { bag.push_back(std::move(f)); }
    std::vector<unique_function<void()>> bag;
};

TEST(abandoned_guests_elsewhere, are_reported_and_can_still_be_drained) {
    host_with_a_bag host;
    std::optional<outcome<void>> ended;
    auto guest = lowlevel::start_guest_run(
        [] { sleep_forever(); }, host, [&](outcome<void> how) { ended.emplace(std::move(how)); });
    const std::string printed =
        printed_by([&] { std::jthread([bag = std::move(host.bag)]() mutable { bag.clear(); }); });
    EXPECT_THAT(printed, AllOf(HasSubstr("another thread"), HasSubstr("drain()")));
    EXPECT_FALSE(guest.ended());
    guest.cancel();
    guest.drain();
    ASSERT_TRUE(ended.has_value());
    EXPECT_TRUE(holds<cancelled>(ended->error()));
    EXPECT_FALSE(in_run());
}

TEST(abandoned_guests_elsewhere, are_those_that_another_thread_tried_to_call) {
    host_with_a_bag host;
    bool ended = false;
    auto guest = lowlevel::start_guest_run([] { sleep_forever(); }, host, [&](auto&&) { ended = true; });
    const std::string printed = printed_by([&] {
        std::jthread([bag = std::move(host.bag)]() mutable {
            for (auto& f : bag) EXPECT_THROW(f(), wrong_thread);
        });
    });
    EXPECT_THAT(printed, HasSubstr("another thread"));
    guest.cancel();
    guest.drain();
    EXPECT_TRUE(ended);
}

// The host's thread has a stale callback when the guest has long ended: nobody needs to know.
TEST(callbacks_of_a_guest, that_has_ended_may_be_dropped_and_called_anywhere) {
    host_with_a_bag host;
    auto guest = lowlevel::start_guest_run([] { sleep_forever(); }, host, [](auto&&) {});
    guest.cancel();
    guest.drain();
    ASSERT_FALSE(host.bag.empty());
    EXPECT_THAT(
        printed_by([&] { std::jthread([bag = std::exchange(host.bag, {})]() mutable { bag.clear(); }); }), IsEmpty());

    auto second = lowlevel::start_guest_run([] { sleep_forever(); }, host, [](auto&&) {});
    second.cancel();
    second.drain();
    for (auto& f : host.bag) EXPECT_NO_THROW(f());
}

// A task_host that is destroyed before its guest has ended.
TEST(abandoned_guests_in_a_run, leave_the_run_around_them_going) {
    std::string printed;
    const int result = run([&] {
        printed = printed_by([] {
            lowlevel::task_host host;
            lowlevel::start_guest_run([] { sleep_forever(); }, host, [](auto&&) { ADD_FAILURE(); });
        });
        checkpoint();
        open_nursery([](nursery& n) {
            for (int i = 0; i < 10; ++i) n.start_soon([] { sleep_for(1us); });
        });
        return 4;
    });
    EXPECT_THAT(printed, AllOf(HasSubstr("abandoned"), HasSubstr("main")));
    EXPECT_EQ(result, 4);
    EXPECT_FALSE(in_run());
    EXPECT_EQ(run([] { return 5; }), 5);
}

}  // namespace
}  // namespace tombolo::testing
