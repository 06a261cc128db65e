#include "test/fibers/cancellation.hpp"

#include <tombolo/testing/checkpoints.hpp>
#include <tombolo/testing/mock_clock.hpp>
#include <tombolo/testing/test.hpp>
#include <tombolo/testing/wait_all_tasks_blocked.hpp>
#include <tombolo/tombolo.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace {

namespace tb = tombolo;
using namespace std::chrono_literals;
using tb::testing::assert_checkpoints;
using tb::testing::assert_no_checkpoints;
using tb::testing::cancellation_of;
using tb::testing::is_cancelled_in;
using tb::testing::test_clock;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

struct named_call {
    const char* name;
    std::function<void()> call;
};

/// The three calls that are nothing but a checkpoint, whole or half.
const std::vector<named_call>& plain_checkpoints() {
    static const std::vector<named_call> calls = {
        {"checkpoint", [] { tb::checkpoint(); }},
        {"checkpoint_if_cancelled", [] { tb::lowlevel::checkpoint_if_cancelled(); }},
        {"cancel_shielded_checkpoint", [] { tb::lowlevel::cancel_shielded_checkpoint(); }},
    };
    return calls;
}

// row S24
TOMBOLO_TEST(checkpoint, is_passed_by_every_call_that_promises_one) {
    const std::vector<named_call> calls = {
        {"checkpoint", [] { tb::checkpoint(); }},
        {"sleep_for", [] { tb::sleep_for(1s); }},
        {"sleep_for zero", [] { tb::sleep_for(0s); }},
        {"sleep_until", [] { tb::sleep_until(tb::now() + 1s); }},
        {"sleep_until the past", [] { tb::sleep_until(tb::now()); }},
        {"wait_all_tasks_blocked", [] { tb::testing::wait_all_tasks_blocked(); }},
        {"nursery::start",
         [] {
             tb::open_nursery([](tb::nursery& n) { n.start([](tb::task_status<>& status) { status.started(); }); });
         }},
    };
    for (const auto& [name, call] : calls) EXPECT_NO_THROW(assert_checkpoints(call)) << name;
}

// row S24
TOMBOLO_TEST(checkpoint, is_passed_by_no_call_that_promises_none) {
    tb::cancel_scope scope;
    tb::open_nursery([&](tb::nursery& n) {
        const std::vector<named_call> calls = {
            {"cancel_scope::run", [] { tb::cancel_scope().run([] {}); }},
            {"cancel", [&] { scope.cancel(); }},
            {"move_on_after", [] { tb::move_on_after(1s, [] {}); }},
            {"fail_after", [] { tb::fail_after(0s, [] {}); }},
            {"start_soon", [&] { n.start_soon([] {}); }},
            {"now", [] { tb::now(); }},
            {"current_effective_deadline", [] { tb::current_effective_deadline(); }},
            {"next_wait", [] { tb::lowlevel::next_wait(); }},
        };
        for (const auto& [name, call] : calls) EXPECT_NO_THROW(assert_no_checkpoints(call)) << name;
    });
}

TOMBOLO_TEST(checkpoint, halves_are_counted_apart) {
    using tb::lowlevel::current_checkpoint_counts;
    const auto before = current_checkpoint_counts();
    tb::lowlevel::checkpoint_if_cancelled();
    const auto after_cancel_point = current_checkpoint_counts();
    EXPECT_EQ(after_cancel_point.cancel_points, before.cancel_points + 1);
    EXPECT_EQ(after_cancel_point.schedule_points, before.schedule_points);
    tb::lowlevel::cancel_shielded_checkpoint();
    const auto after_schedule_point = current_checkpoint_counts();
    EXPECT_EQ(after_schedule_point.cancel_points, after_cancel_point.cancel_points);
    EXPECT_EQ(after_schedule_point.schedule_points, after_cancel_point.schedule_points + 1);
    tb::checkpoint();
    const auto after_both = current_checkpoint_counts();
    EXPECT_EQ(after_both.cancel_points, after_schedule_point.cancel_points + 1);
    EXPECT_EQ(after_both.schedule_points, after_schedule_point.schedule_points + 1);
}

TOMBOLO_TEST(checkpoint, counts_belong_to_their_task) {
    const auto before = tb::lowlevel::current_checkpoint_counts();
    tb::open_nursery([](tb::nursery& n) {
        n.start_soon([] {
            const auto own = tb::lowlevel::current_checkpoint_counts();
            EXPECT_EQ(own.cancel_points + own.schedule_points, 0U);
            for (int i = 0; i < 100; ++i) tb::checkpoint();
        });
    });
    EXPECT_LT(tb::lowlevel::current_checkpoint_counts().cancel_points, before.cancel_points + 10);
}

TOMBOLO_TEST(checkpoint, assertions_notice_missing_and_unexpected_halves) {
    EXPECT_THAT(
        [] { assert_checkpoints([] { tb::lowlevel::checkpoint_if_cancelled(); }); },
        ThrowsMessage<tb::testing::checkpoint_missing>(HasSubstr("let other tasks run")));
    EXPECT_THAT(
        [] { assert_checkpoints([] { tb::lowlevel::cancel_shielded_checkpoint(); }); },
        ThrowsMessage<tb::testing::checkpoint_missing>(HasSubstr("cancel")));
    EXPECT_THAT(
        [] { assert_no_checkpoints([] { tb::lowlevel::checkpoint_if_cancelled(); }); },
        ThrowsMessage<tb::testing::checkpoint_unexpected>(HasSubstr("cancel")));
    EXPECT_THAT(
        [] { assert_no_checkpoints([] { tb::lowlevel::cancel_shielded_checkpoint(); }); },
        ThrowsMessage<tb::testing::checkpoint_unexpected>(HasSubstr("other tasks")));
    EXPECT_EQ(assert_checkpoints([] { return tb::checkpoint(), 42; }), 42);
    EXPECT_EQ(assert_no_checkpoints([] { return 42; }), 42);
}

/// Whether a task that was runnable when `call` was called has run by the time it returns.
bool lets_others_run(const std::function<void()>& call) {
    bool other_ran = false;
    bool ran_meanwhile = false;
    tb::open_nursery([&](tb::nursery& n) {
        n.start_soon([&] { other_ran = true; });
        call();
        ran_meanwhile = other_ran;
    });
    return ran_meanwhile;
}

// The other task and this one are in the same pass, in either order, so it takes two schedule points to be sure.
TOMBOLO_TEST(checkpoint, lets_the_tasks_that_are_runnable_run) {
    for (int i = 0; i < 20; ++i) {
        EXPECT_TRUE(lets_others_run([] {
            tb::checkpoint();
            tb::checkpoint();
        }));
        EXPECT_TRUE(lets_others_run([] {
            tb::lowlevel::cancel_shielded_checkpoint();
            tb::lowlevel::cancel_shielded_checkpoint();
        }));
        EXPECT_FALSE(lets_others_run([] {
            tb::lowlevel::checkpoint_if_cancelled();
            tb::lowlevel::checkpoint_if_cancelled();
        }));
    }
}

// C-7
TOMBOLO_TEST(checkpoint, lets_others_run_even_if_it_throws) {
    tb::cancel_scope scope;
    scope.run([&] {
        scope.cancel();
        for (const auto& [name, call] : {plain_checkpoints()[0], plain_checkpoints()[1]}) {
            const auto before = tb::lowlevel::current_checkpoint_counts().schedule_points;
            EXPECT_TRUE(is_cancelled_in(call)) << name;
            EXPECT_GT(tb::lowlevel::current_checkpoint_counts().schedule_points, before) << name;
        }
    });
}

// C-7: it yields first and looks afterwards, so what it returns is true when it returns.
TOMBOLO_TEST(checkpoint, notices_a_cancel_by_a_task_that_ran_meanwhile) {
    for (int passes = 0; passes < 30; ++passes) {
        tb::cancel_scope scope;
        tb::open_nursery([&](tb::nursery& n) {
            n.start_soon([&] {
                scope.run([&] {
                    for (;;) {
                        tb::checkpoint();
                        EXPECT_FALSE(scope.cancel_called());
                    }
                });
            });
            for (int i = 0; i < passes; ++i) tb::lowlevel::cancel_shielded_checkpoint();
            scope.cancel();
        });
        EXPECT_TRUE(scope.cancelled_caught());
    }
}

// case 14
TOMBOLO_TEST(checkpoint, notices_a_deadline_that_has_just_passed) {
    tb::cancel_scope scope{{.deadline = tb::now() + 5s}};
    scope.run([&] {
        tb::checkpoint();
        test_clock().jump(10s);
        EXPECT_TRUE(is_cancelled_in([] { tb::checkpoint(); }));
    });
    EXPECT_TRUE(scope.cancel_called());
}

/// Time that moves when a test says so, behind the run's back, as real time does.
class hand_clock final : public tb::clock {
public:
    tb::time_point now() const override { return time; }
    tb::duration time_until(tb::time_point deadline) const override { return deadline - time; }

    tb::time_point time{};
};

// case 14, row S5
TEST(checkpoint, notices_at_once_that_a_clock_of_the_users_own_has_passed_a_deadline) {
    for (const std::optional<std::uint64_t> seed : {std::optional<std::uint64_t>(), std::optional<std::uint64_t>(1)}) {
        hand_clock clock;
        bool cancelled_at_once = false;
        const auto main_task = [&] {
            tb::move_on_after(5s, [&] {
                for (int i = 0; i < 40; ++i) tb::checkpoint();
                clock.time += 10s;
                cancelled_at_once = is_cancelled_in([] { tb::checkpoint(); });
            });
        };
        tb::run(main_task, {.clock = &clock, .seed = seed});
        EXPECT_TRUE(cancelled_at_once) << (seed ? "with a seed" : "without a seed");
    }
}

// row S5; on the system's clock a checkpoint reads no clock, so it may take the promised few to notice.
TEST(checkpoint, notices_soon_after_a_long_computation_that_the_system_clock_has_passed_a_deadline) {
    const auto compute = [](std::chrono::steady_clock::duration length) {
        const auto end = std::chrono::steady_clock::now() + length;
        while (std::chrono::steady_clock::now() < end) {}
    };
    int passed = 0;
    const bool finished = tb::run([&] {
        return tb::move_on_after(100us, [&] {
            for (int i = 0; i < 40; ++i) tb::checkpoint();
            compute(200us);
            for (; passed < 100'000; ++passed) tb::checkpoint();
        });
    });
    EXPECT_FALSE(finished);
    EXPECT_LE(passed, 16);
}

TOMBOLO_TEST(checkpoint_if_cancelled, does_nothing_unless_the_task_is_cancelled) {
    const auto before = tb::lowlevel::current_checkpoint_counts().schedule_points;
    for (int i = 0; i < 5; ++i) tb::lowlevel::checkpoint_if_cancelled();
    EXPECT_EQ(tb::lowlevel::current_checkpoint_counts().schedule_points, before);
    tb::cancel_scope scope;
    EXPECT_FALSE(scope.run([&] {
        scope.cancel();
        tb::lowlevel::checkpoint_if_cancelled();
    }));
}

TOMBOLO_TEST(cancel_shielded_checkpoint, ignores_cancellation_and_leaves_it_pending) {
    tb::cancel_scope scope;
    EXPECT_FALSE(scope.run([&] {
        scope.cancel();
        for (int i = 0; i < 3; ++i) tb::lowlevel::cancel_shielded_checkpoint();
        tb::checkpoint();
        ADD_FAILURE() << "the cancellation got lost";
    }));
}

TEST(checkpoint, needs_a_run) {
    for (const auto& [name, call] : plain_checkpoints())
        EXPECT_THAT(call, ThrowsMessage<tb::not_in_run>(HasSubstr(name)));
    EXPECT_THROW(tb::lowlevel::current_checkpoint_counts(), tb::not_in_run);
}

/// Calls what it was given before the run waits for events.
class calling_instrument final : public tb::instrument {
public:
    explicit calling_instrument(std::function<void()> call) : call_(std::move(call)) {}
    void before_io_wait(tb::duration) override { call_(); }

private:
    std::function<void()> call_;
};

TOMBOLO_TEST(checkpoint, is_refused_in_an_instrument) {
    int refused = 0;
    calling_instrument blocking([&] {
        for (const auto& [name, call] : plain_checkpoints()) {
            EXPECT_THAT(call, ThrowsMessage<tb::checkpoint_forbidden>(HasSubstr("instrument must not block"))) << name;
            ++refused;
        }
    });
    tb::lowlevel::add_instrument(&blocking);
    tb::sleep_for(1s);
    tb::lowlevel::remove_instrument(blocking);
    EXPECT_GT(refused, 0);
}

TOMBOLO_TEST(checkpoint, is_refused_in_a_run_sync_soon_callback) {
    int refused = 0;
    tb::lowlevel::current_run_token().run_sync_soon([&] {
        for (const auto& [name, call] : plain_checkpoints()) {
            EXPECT_THAT(call, ThrowsMessage<tb::checkpoint_forbidden>(HasSubstr("callback must not block"))) << name;
            ++refused;
        }
    });
    tb::testing::wait_all_tasks_blocked();
    EXPECT_EQ(refused, 3);
}

}  // namespace
