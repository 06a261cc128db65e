#include "test/fibers/guest_runs.hpp"

#include <tombolo/fibers/cancel_scope.hpp>
#include <tombolo/fibers/checkpoint.hpp>
#include <tombolo/fibers/clock.hpp>
#include <tombolo/fibers/instrument.hpp>
#include <tombolo/fibers/nursery.hpp>
#include <tombolo/fibers/parking_lot.hpp>
#include <tombolo/fibers/timeouts.hpp>
#include <tombolo/testing/mock_clock.hpp>
#include <tombolo/testing/wait_all_tasks_blocked.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <string>

// What counts as idleness in a guest, and the clocks that go by it.
namespace tombolo::testing {
namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;

template <class Host>
class guest_idleness : public guest_runs<Host> {};
TYPED_TEST_SUITE(guest_idleness, every_host);

TYPED_TEST(guest_idleness, is_noticed) {
    std::string order;
    const auto how = this->host_guest([&] {
        open_nursery([&](nursery& n) {
            n.start_soon([&] {
                for (int i = 0; i < 100; ++i) checkpoint();
                order += 'a';
            });
            wait_all_tasks_blocked();
            order += 'b';
        });
    });
    EXPECT_TRUE(how.has_value());
    EXPECT_EQ(order, "ab");
}

TYPED_TEST(guest_idleness, lasts_as_long_as_the_cushion_says) {
    const auto begun = steady_clock::now();
    EXPECT_TRUE(this->host_guest([] { wait_all_tasks_blocked(5ms); }).has_value());
    EXPECT_GE(steady_clock::now() - begun, 5ms);
}

// case 54, G6
TYPED_TEST(guest_idleness, is_not_what_a_forced_wake_brings) {
    const auto how = this->host_guest([&] {
        cancel_scope waiting;
        cancel_scope woken;
        bool was_idle = false;
        open_nursery([&](nursery& n) {
            n.start_soon([&] {
                static_cast<void>(waiting.run([&] {
                    wait_all_tasks_blocked(1h);
                    was_idle = true;
                }));
            });
            n.start_soon([&] {
                this->in_its_sleep([&] { woken.deadline(now()); });
                EXPECT_FALSE(woken.run([] { sleep_forever(); }));
                waiting.cancel();
            });
        });
        return was_idle;
    });
    EXPECT_FALSE(how.value());
}

// G6: the wake-up comes with nothing to do.
TYPED_TEST(guest_idleness, is_not_what_a_wake_without_runnable_tasks_brings) {
    const auto how = this->host_guest([&] {
        cancel_scope waiting;
        cancel_scope distant{{.deadline = now() + 2h}};
        bool was_idle = false;
        open_nursery([&](nursery& n) {
            n.start_soon([&] {
                static_cast<void>(waiting.run([&] {
                    wait_all_tasks_blocked(1h);
                    was_idle = true;
                }));
            });
            n.start_soon([&] { static_cast<void>(distant.run([] { sleep_forever(); })); });
            this->in_its_sleep([&] {
                distant.deadline(now() + 3h);
                this->in_its_sleep([&] {
                    distant.deadline(now() + 4h);
                    this->in_its_sleep([&] { n.cancel_scope().cancel(); });
                });
            });
        });
        return was_idle;
    });
    EXPECT_FALSE(how.value());
}

// G6: a task that the host wakes in the very turn in which the wait ends.
TYPED_TEST(guest_idleness, ends_when_the_host_wakes_a_task) {
    std::string order;
    const auto how = this->host_guest([&] {
        lowlevel::parking_lot lot;
        open_nursery([&](nursery& n) {
            n.start_soon([&] {
                wait_all_tasks_blocked(3ms);
                order += 'i';
            });
            n.start_soon([&] {
                lot.park();
                order += 'w';
                lot.park();
                order += 'w';
            });
            this->in_its_sleep([&] {
                const auto end = steady_clock::now() + 4ms;
                while (steady_clock::now() < end) {}
                lot.unpark();
                this->in_its_sleep([&] { lot.unpark(); });
            });
        });
    });
    EXPECT_TRUE(how.has_value());
    EXPECT_EQ(order, "wwi");
}

TYPED_TEST(guest_idleness, lets_a_test_clock_jump) {
    mock_clock clock{{.autojump_threshold = 0ns}};
    const auto how = this->host_guest(
        [] {
            std::string order;
            open_nursery([&](nursery& n) {
                for (const int hours : {3, 1, 2}) {
                    n.start_soon([&order, hours] {
                        sleep_for(std::chrono::hours(hours));
                        order += std::to_string(hours);
                    });
                }
            });
            return order;
        },
        {.clock = &clock});
    EXPECT_EQ(how.value(), "123");
    EXPECT_EQ(clock.elapsed(), 3h);
}

// case 59
TYPED_TEST(guest_idleness, goes_by_a_threshold_that_host_code_changes) {
    mock_clock clock;
    const auto begun = steady_clock::now();
    const auto how = this->host_guest(
        [&] {
            this->in_its_sleep([&] { clock.autojump(0ns); });
            sleep_for(1h);
        },
        {.clock = &clock});
    EXPECT_TRUE(how.has_value());
    EXPECT_EQ(clock.elapsed(), 1h);
    EXPECT_LT(steady_clock::now() - begun, 10s);
}

// case 59
TYPED_TEST(guest_idleness, goes_by_a_threshold_that_host_code_sets_before_main_begins) {
    mock_clock clock;
    const auto how =
        this->host_guest([] { sleep_for(1h); }, {.clock = &clock}, [&](lowlevel::guest_run&) { clock.autojump(0ns); });
    EXPECT_TRUE(how.has_value());
}

TYPED_TEST(guest_idleness, sees_the_time_that_host_code_jumps_to) {
    mock_clock clock;
    const auto how = this->host_guest(
        [&] {
            this->in_its_sleep([&] { clock.jump(1h); });
            sleep_for(30min);
            return clock.elapsed();
        },
        {.clock = &clock});
    EXPECT_EQ(how.value(), 1h);
}

TYPED_TEST(guest_idleness, sees_the_rate_that_host_code_changes) {
    mock_clock clock;
    const auto how = this->host_guest(
        [&] {
            this->in_its_sleep([&] { clock.rate(1e9); });
            sleep_for(1h);
        },
        {.clock = &clock});
    EXPECT_TRUE(how.has_value());
    EXPECT_GE(clock.elapsed(), 1h);
}

TYPED_TEST(guest_idleness, ignores_the_clock_of_somebody_else) {
    mock_clock own;
    mock_clock other;
    const auto how = this->host_guest(
        [&] {
            lowlevel::parking_lot lot;
            this->in_its_sleep([&] {
                const int before = this->host.hurries();
                other.jump(1h);
                other.autojump(0ns);
                other.rate(2.0);
                EXPECT_EQ(this->host.hurries(), before);
                own.jump(1h);
                EXPECT_EQ(this->host.hurries(), before + 1);
                lot.unpark();
            });
            lot.park();
        },
        {.clock = &own});
    EXPECT_TRUE(how.has_value());
}

// A host that wakes its guest for nothing, again and again.
TEST(guests_of_a_nagging_host, sleep_as_long_as_they_wanted) {
    const auto begun = steady_clock::now();
    watching_loop host;
    host.nags = true;
    auto guest = lowlevel::start_guest_run([] { sleep_for(5ms); }, host, [&](outcome<void>) { host.stop(); });
    host.turn_until_stopped();
    EXPECT_TRUE(guest.ended());
    EXPECT_GE(steady_clock::now() - begun, 5ms);
    EXPECT_GT(host.wakes, 1) << "the host did not nag";
}

TEST(guests_of_a_nagging_host, are_idle_when_they_have_been_so_for_long_enough) {
    const auto begun = steady_clock::now();
    watching_loop host;
    host.nags = true;
    auto guest =
        lowlevel::start_guest_run([] { wait_all_tasks_blocked(5ms); }, host, [&](outcome<void>) { host.stop(); });
    host.turn_until_stopped();
    EXPECT_GE(steady_clock::now() - begun, 5ms);
    EXPECT_GT(host.wakes, 1) << "the host did not nag";
}

// G6: otherwise the idleness would begin anew with every call.
TEST(guests_of_a_nagging_host, go_on_with_the_same_wait) {
    struct wait_counter final : instrument {
        void before_io_wait(duration) override { ++waits; }
        int waits = 0;
    } counter;
    watching_loop host;
    host.nags = true;
    auto guest = lowlevel::start_guest_run(
        [] { wait_all_tasks_blocked(5ms); }, host, [&](outcome<void>) { host.stop(); }, {.instruments = {&counter}});
    host.turn_until_stopped();
    EXPECT_GT(host.wakes, 1) << "the host did not nag";
    EXPECT_LT(counter.waits, 20);
}

TEST(guests_of_a_nagging_host, do_not_jump_before_the_threshold) {
    mock_clock clock{{.autojump_threshold = 5ms}};
    const auto begun = steady_clock::now();
    watching_loop host;
    host.nags = true;
    auto guest =
        lowlevel::start_guest_run([] { sleep_for(1h); }, host, [&](outcome<void>) { host.stop(); }, {.clock = &clock});
    host.turn_until_stopped();
    EXPECT_GE(steady_clock::now() - begun, 5ms);
}

}  // namespace
}  // namespace tombolo::testing
