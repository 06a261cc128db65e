#include "test/fibers/cancellation.hpp"

#include <tombolo/testing/sequencer.hpp>
#include <tombolo/testing/test.hpp>
#include <tombolo/testing/wait_all_tasks_blocked.hpp>
#include <tombolo/tombolo.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <memory>
#include <stdexcept>
#include <vector>

namespace {

namespace tb = tombolo;
using namespace std::chrono_literals;
using tb::testing::is_cancelled_in;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

TOMBOLO_TEST(no_checkpoint, makes_every_blocking_call_an_error) {
    tb::lowlevel::parking_lot lot;
    tb::testing::sequencer sequence;
    struct blocking_call {
        const char* name;
        std::function<void()> call;
    };
    tb::open_nursery([&](tb::nursery& n) {
        const std::vector<blocking_call> calls = {
            {"checkpoint", [] { tb::checkpoint(); }},
            {"checkpoint_if_cancelled", [] { tb::lowlevel::checkpoint_if_cancelled(); }},
            {"cancel_shielded_checkpoint", [] { tb::lowlevel::cancel_shielded_checkpoint(); }},
            {"sleep_for", [] { tb::sleep_for(1s); }},
            {"sleep_until", [] { tb::sleep_until(tb::now()); }},
            {"sleep_forever", [] { tb::sleep_forever(); }},
            {"park", [] { tb::testing::park_willingly(); }},
            {"parking_lot", [&] { lot.park(); }},
            {"open_nursery", [] { tb::open_nursery([](tb::nursery&) {}); }},
            {"nursery::start", [&] { n.start([](tb::task_status<>& status) { status.started(); }); }},
            {"wait_readable", [] { tb::lowlevel::wait_readable(0); }},
            {"wait_all_tasks_blocked", [] { tb::testing::wait_all_tasks_blocked(); }},
        };
        const auto before = tb::lowlevel::current_checkpoint_counts();
        for (const auto& [name, call] : calls) {
            const tb::no_checkpoint section;
            EXPECT_THAT(
                call,
                ThrowsMessage<tb::checkpoint_forbidden>(
                    AllOf(HasSubstr(name), HasSubstr("move the blocking call out of the section"), HasSubstr("main"))));
        }
        const auto after = tb::lowlevel::current_checkpoint_counts();
        EXPECT_EQ(after.cancel_points, before.cancel_points) << "nothing has happened";
        EXPECT_EQ(after.schedule_points, before.schedule_points);
        EXPECT_TRUE(n.child_tasks().empty());
        EXPECT_TRUE(lot.empty());
    });
    tb::checkpoint();
}

TOMBOLO_TEST(no_checkpoint, permits_everything_that_does_not_block) {
    bool child_ran = false;
    tb::cancel_scope scope;
    tb::open_nursery([&](tb::nursery& n) {
        n.start_soon([&] { EXPECT_FALSE(scope.run([] { tb::sleep_forever(); })); });
        tb::testing::wait_all_tasks_blocked();
        const tb::no_checkpoint section;
        n.start_soon([&] { child_ran = true; });
        scope.cancel();
        EXPECT_TRUE(tb::move_on_after(1s, [] {}));
        tb::now();
        EXPECT_TRUE(tb::in_task());
        EXPECT_FALSE(child_ran);
    });
    EXPECT_TRUE(child_ran);
    EXPECT_TRUE(scope.cancelled_caught());
}

TOMBOLO_TEST(no_checkpoint, ends_with_its_lifetime_and_nests) {
    {
        const tb::no_checkpoint outer;
        {
            const tb::no_checkpoint inner;
            EXPECT_THROW(tb::checkpoint(), tb::checkpoint_forbidden);
        }
        EXPECT_THROW(tb::checkpoint(), tb::checkpoint_forbidden) << "the outer section goes on";
    }
    tb::checkpoint();
}

TOMBOLO_TEST(no_checkpoint, ends_when_an_exception_leaves_the_section) {
    const auto fail_inside = [] {
        const tb::no_checkpoint section;
        throw std::out_of_range("from inside");
    };
    EXPECT_THROW(fail_inside(), std::out_of_range);
    tb::checkpoint();
    const auto misuse = [] {
        const tb::no_checkpoint section;
        tb::checkpoint();
    };
    EXPECT_THROW(misuse(), tb::checkpoint_forbidden);
    tb::checkpoint();
}

TOMBOLO_TEST(no_checkpoint, guards_its_own_task_only) {
    bool other_passed = false;
    tb::open_nursery([&](tb::nursery& n) {
        n.start_soon([&] {
            tb::checkpoint();
            other_passed = true;
        });
        {
            const tb::no_checkpoint section;
            EXPECT_THROW(tb::checkpoint(), tb::checkpoint_forbidden);
        }
        tb::checkpoint();
    });
    EXPECT_TRUE(other_passed);
}

TOMBOLO_TEST(no_checkpoint, does_not_swallow_a_pending_cancellation) {
    tb::cancel_scope scope;
    EXPECT_FALSE(scope.run([&] {
        scope.cancel();
        {
            const tb::no_checkpoint section;
            EXPECT_THROW(tb::checkpoint(), tb::checkpoint_forbidden) << "misuse is told even to a cancelled task";
        }
        tb::checkpoint();
    }));
}

TOMBOLO_TEST(no_checkpoint, leaves_the_reason_of_an_abort_function_in_place) {
    tb::cancel_scope scope;
    scope.run([&] {
        scope.cancel();
        tb::lowlevel::park([](const tb::lowlevel::raise_cancel&) {
            {
                const tb::no_checkpoint section;
                EXPECT_THAT(
                    [] { tb::checkpoint(); },
                    ThrowsMessage<tb::checkpoint_forbidden>(HasSubstr("abort function must not block")));
            }
            EXPECT_THROW(tb::checkpoint(), tb::checkpoint_forbidden);
            return tb::lowlevel::abort::succeeded;
        });
    });
    tb::checkpoint();
}

TOMBOLO_TEST(no_checkpoint, lets_a_cancel_inside_the_section_call_abort_functions_of_others) {
    int aborted = 0;
    tb::cancel_scope scope;
    tb::open_nursery([&](tb::nursery& n) {
        n.start_soon([&] {
            scope.run([&] {
                tb::lowlevel::park([&](const tb::lowlevel::raise_cancel&) {
                    ++aborted;
                    return tb::lowlevel::abort::succeeded;
                });
            });
        });
        tb::testing::wait_all_tasks_blocked();
        const tb::no_checkpoint section;
        scope.cancel();
        EXPECT_EQ(aborted, 1);
        EXPECT_THAT([] { tb::checkpoint(); }, ThrowsMessage<tb::checkpoint_forbidden>(HasSubstr("out of the section")));
    });
}

TEST(no_checkpoint, needs_a_task_to_guard) {
    EXPECT_THAT(
        [] { static_cast<void>(std::make_unique<tb::no_checkpoint>()); },
        ThrowsMessage<tb::not_in_run>(HasSubstr("no_checkpoint")));
}

}  // namespace
