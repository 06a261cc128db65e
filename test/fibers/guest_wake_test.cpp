#include "test/fibers/guest_runs.hpp"
#include "test/support/descriptors.hpp"

#include <tombolo/fibers/cancel_scope.hpp>
#include <tombolo/fibers/clock.hpp>
#include <tombolo/fibers/nursery.hpp>
#include <tombolo/fibers/park.hpp>
#include <tombolo/fibers/parking_lot.hpp>
#include <tombolo/fibers/run_token.hpp>
#include <tombolo/fibers/system_task.hpp>
#include <tombolo/fibers/timeouts.hpp>
#include <tombolo/fibers/wait_fd.hpp>
#include <tombolo/testing/mock_clock.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <exception>
#include <stdexcept>

// What host code does between the guest's steps, and that a sleeping guest wakes for it.
namespace tombolo::testing {
namespace {

using namespace std::chrono_literals;

template <class Host>
class host_code : public guest_runs<Host> {};
TYPED_TEST_SUITE(host_code, every_host);

lowlevel::abort refuse_abort(lowlevel::raise_cancel) { return lowlevel::abort::failed; }

// case 53
TYPED_TEST(host_code, that_reschedules_a_task_wakes_the_guest) {
    const auto how = this->host_guest([&] {
        task& self = lowlevel::current_task();
        this->in_its_sleep([&] { lowlevel::reschedule(self, outcome<int>(7)); });
        return lowlevel::park<int>(refuse_abort);
    });
    EXPECT_EQ(how.value(), 7);
}

TYPED_TEST(host_code, that_reschedules_a_task_with_an_error_wakes_the_guest) {
    const auto how = this->host_guest([&] {
        task& self = lowlevel::current_task();
        this->in_its_sleep(
            [&] { lowlevel::reschedule(self, std::make_exception_ptr(std::runtime_error("from the mainland"))); });
        lowlevel::park(refuse_abort);
    });
    EXPECT_THROW(how.value(), std::runtime_error);
}

TYPED_TEST(host_code, that_wakes_tasks_by_a_parking_lot_wakes_the_guest) {
    lowlevel::parking_lot lot;
    const auto how = this->host_guest([&] {
        open_nursery([&](nursery& n) {
            for (int i = 0; i < 3; ++i) n.start_soon([&] { lot.park(); });
            this->in_its_sleep([&] { EXPECT_EQ(lot.unpark_all().size(), 3U); });
        });
    });
    EXPECT_TRUE(how.has_value());
}

// case 53
TYPED_TEST(host_code, that_cancels_a_scope_wakes_the_guest) {
    const auto how = this->host_guest([&] {
        cancel_scope scope;
        this->in_its_sleep([&] { scope.cancel("the window was closed"); });
        EXPECT_FALSE(scope.run([] { sleep_forever(); }));
        return scope.cancelled_caught();
    });
    EXPECT_TRUE(how.value());
}

// case 53
TYPED_TEST(host_code, that_lifts_a_shield_wakes_the_guest) {
    const auto how = this->host_guest([&] {
        cancel_scope outer;
        EXPECT_FALSE(outer.run([&] {
            cancel_scope shield{{.shield = true}};
            this->in_its_sleep([&] { shield.shield(false); });
            outer.cancel();
            static_cast<void>(shield.run([] { sleep_forever(); }));
            ADD_FAILURE() << "the shield held";
        }));
    });
    EXPECT_TRUE(how.has_value());
}

// case 53, G5
TYPED_TEST(host_code, that_moves_a_deadline_nearer_wakes_the_guest) {
    const auto how = this->host_guest([&] {
        cancel_scope scope{{.deadline = now() + 1h}};
        this->in_its_sleep([&] { scope.deadline(now()); });
        return scope.run([] { sleep_forever(); });
    });
    EXPECT_FALSE(how.value());
}

// case 53, C-8
TYPED_TEST(host_code, that_gives_a_deadline_to_a_scope_without_one_wakes_the_guest) {
    const auto how = this->host_guest([&] {
        cancel_scope scope;
        this->in_its_sleep([&] { scope.deadline(now() + 1ms); });
        return scope.run([] { sleep_forever(); });
    });
    EXPECT_FALSE(how.value());
}

TYPED_TEST(host_code, that_moves_a_deadline_into_the_past_does_not_cancel_on_the_spot) {
    const auto how = this->host_guest([&] {
        bool aborted = false;
        cancel_scope scope;
        this->in_its_sleep([&] {
            scope.deadline(now() - 1s);
            EXPECT_FALSE(aborted);
        });
        static_cast<void>(scope.run([&] {
            lowlevel::park([&](lowlevel::raise_cancel) {
                aborted = true;
                return lowlevel::abort::succeeded;
            });
        }));
        return aborted;
    });
    EXPECT_TRUE(how.value());
}

// C-8
TYPED_TEST(host_code, that_moves_a_deadline_further_away_gives_the_guest_that_time) {
    mock_clock clock;
    bool cancelled_early = true;
    const auto how = this->host_guest(
        [&] {
            cancel_scope scope{{.deadline = now() + 10s}};
            this->in_its_sleep([&] {
                scope.deadline(now() + 100s);
                clock.jump(20s);
                this->in_its_sleep([&] {
                    cancelled_early = scope.cancel_called();
                    clock.jump(100s);
                });
            });
            return scope.run([] { sleep_forever(); });
        },
        {.clock = &clock});
    EXPECT_FALSE(how.value());
    EXPECT_FALSE(cancelled_early);
    EXPECT_EQ(clock.elapsed(), 120s);
}

// case 52
TYPED_TEST(host_code, that_spawns_a_system_task_wakes_the_guest) {
    const auto how = this->host_guest([&] {
        lowlevel::parking_lot lot;
        this->in_its_sleep([&] { lowlevel::spawn_system_task([&] { lot.unpark(); }); });
        lot.park();
    });
    EXPECT_TRUE(how.has_value());
}

TYPED_TEST(host_code, that_starts_a_task_in_a_nursery_wakes_the_guest) {
    const auto how = this->host_guest([&] {
        return open_nursery([&](nursery& n) {
            lowlevel::parking_lot lot;
            this->in_its_sleep([&] { n.start_soon([&] { lot.unpark(); }); });
            lot.park();
            return 3;
        });
    });
    EXPECT_EQ(how.value(), 3);
}

TYPED_TEST(host_code, that_posts_to_the_run_token_wakes_the_guest) {
    const auto how = this->host_guest([&] {
        lowlevel::parking_lot lot;
        const lowlevel::run_token token = lowlevel::current_run_token();
        this->in_its_sleep([&] { token.run_sync_soon([&] { lot.unpark(); }); });
        lot.park();
    });
    EXPECT_TRUE(how.has_value());
}

TYPED_TEST(host_code, that_makes_a_descriptor_readable_wakes_the_guest) {
    const auto how = this->host_guest([&] {
        const open_pipe pipe;
        this->in_its_sleep([&] { put(pipe.writer, "hello"); });
        lowlevel::wait_readable(pipe.reader.get());
        return take(pipe.reader);
    });
    EXPECT_EQ(how.value(), "hello");
}

// G5: whatever host code does in one turn, the guest asks for one turn.
TYPED_TEST(host_code, wakes_a_sleeping_guest_once) {
    int before = 0;
    int after = 0;
    const auto how = this->host_guest([&] {
        lowlevel::parking_lot lot;
        cancel_scope scope{{.deadline = now() + 1h}};
        task& self = lowlevel::current_task();
        open_nursery([&](nursery& n) {
            for (int i = 0; i < 5; ++i) n.start_soon([&] { lot.park(); });
            n.start_soon([&] { static_cast<void>(scope.run([] { sleep_forever(); })); });
            this->in_its_sleep([&] {
                before = this->host.hurries();
                lot.unpark(2);
                lot.unpark_all();
                scope.deadline(now() + 2h);
                scope.cancel();
                lowlevel::spawn_system_task([] {});
                lowlevel::reschedule(self);
                after = this->host.hurries();
            });
            lowlevel::park(refuse_abort);
        });
    });
    EXPECT_TRUE(how.has_value());
    EXPECT_EQ(after - before, 1);
}

// L5
TYPED_TEST(host_code, that_reschedules_a_task_twice_is_refused) {
    const auto how = this->host_guest([&] {
        task& self = lowlevel::current_task();
        this->in_its_sleep([&] {
            lowlevel::reschedule(self);
            EXPECT_THROW(lowlevel::reschedule(self), invalid_reschedule);
        });
        lowlevel::park(refuse_abort);
    });
    EXPECT_TRUE(how.has_value());
}

TYPED_TEST(host_code, cannot_block) {
    const auto how = this->host_guest([&] {
        lowlevel::parking_lot lot;
        this->in_its_sleep([&] {
            EXPECT_THROW(sleep_for(1ms), not_in_task);
            EXPECT_THROW(lot.park(), not_in_task);
            EXPECT_THROW(open_nursery([](nursery&) {}), not_in_task);
            lot.unpark_all();
        });
        lot.park();
    });
    EXPECT_TRUE(how.has_value());
}

}  // namespace
}  // namespace tombolo::testing
