#include <tombolo/fibers/clock.hpp>

#include "test/fibers/thrown.hpp"

#include <tombolo/testing/test.hpp>
#include <tombolo/testing/wait_all_tasks_blocked.hpp>
#include <tombolo/tombolo.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <exception>
#include <functional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace {

namespace tb = tombolo;
using namespace std::chrono_literals;
using tb::testing::shape;
using tb::testing::text_of;
using tb::testing::thrown_by;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// A clock that a test winds on by hand. It knows nothing of the run that uses it.
class hand_clock : public tb::clock {
public:
    void start() override { ++starts; }
    tb::time_point now() const override { return time; }
    tb::duration time_until(tb::time_point deadline) const override {
        return deadline <= time ? tb::duration::zero() : tb::duration::max();
    }

    tb::time_point time{100s};
    int starts = 0;
};

// A clock that jumps when everybody waits.
class jumping_clock : public hand_clock {
public:
    tb::duration autojump_threshold() const override { return tb::duration::zero(); }
    void autojump(tb::time_point next_deadline) override {
        jumps.push_back(next_deadline);
        time = next_deadline;
    }

    std::vector<tb::time_point> jumps;
};

// The internal_error that a run with this clock ends with.
struct crash {
    std::string text;
    std::exception_ptr cause;
};

crash crash_of(tb::clock& clock, const std::function<void()>& main) {
    try {
        tb::run(main, {.clock = &clock, .detect_deadlock = true});
        ADD_FAILURE() << "the run ended well";
    } catch (const tb::internal_error& error) {
        return {error.what(), error.cause()};
    } catch (...) {
        ADD_FAILURE() << "expected an internal_error, got " << tb::describe(std::current_exception());
    }
    return {};
}

// R15
TEST(clock, is_where_the_run_gets_its_time_from) {
    hand_clock clock;
    const auto main = [&] {
        EXPECT_EQ(&tb::lowlevel::current_clock(), &clock);
        EXPECT_EQ(tb::now(), tb::time_point(100s));
        clock.time += 5s;
        EXPECT_EQ(tb::now(), tb::time_point(105s));
        tb::open_nursery(
            [&](tb::nursery& n) { n.start_soon([&] { EXPECT_EQ(&tb::lowlevel::current_clock(), &clock); }); });
    };
    tb::run(main, {.clock = &clock});
}

struct start_watcher final : tb::instrument {
    explicit start_watcher(const hand_clock& watched) : clock(watched) {}
    void before_run() override { starts_before_run = clock.starts; }
    const hand_clock& clock;
    int starts_before_run = -1;
};

// R16
TEST(clock, is_started_once_before_anything_else_of_the_run) {
    hand_clock clock;
    start_watcher watcher(clock);
    const auto main = [&] { EXPECT_EQ(clock.starts, 1); };
    tb::run(main, {.clock = &clock, .instruments = {&watcher}});
    EXPECT_EQ(watcher.starts_before_run, 1);
    EXPECT_EQ(clock.starts, 1);
    const auto second = [&] { EXPECT_EQ(clock.starts, 2); };
    tb::run(second, {.clock = &clock});
}

// R16
TEST(clock, that_cannot_start_ends_the_run_with_internal_error_before_main) {
    struct : hand_clock {
        void start() override { throw std::runtime_error("no battery"); }
    } broken;
    const crash got = crash_of(broken, [] { ADD_FAILURE() << "main ran"; });
    EXPECT_THAT(got.text, AllOf(HasSubstr("clock"), HasSubstr("start")));
    EXPECT_EQ(shape(got.cause), "no battery");
    EXPECT_FALSE(tb::in_run());
    EXPECT_EQ(tb::run([] { return 1; }), 1);
}

TEST(clock, that_throws_when_the_run_asks_how_long_to_wait_ends_the_run_with_internal_error) {
    struct : hand_clock {
        tb::duration time_until(tb::time_point) const override { throw std::runtime_error("stuck"); }
    } broken;
    bool cancelled = false;
    const crash got = crash_of(broken, [&] {
        try {
            tb::sleep_for(1s);
        } catch (const tb::cancelled&) {
            cancelled = true;
            throw;
        }
    });
    EXPECT_THAT(got.text, HasSubstr("clock"));
    EXPECT_EQ(shape(got.cause), "stuck");
    EXPECT_TRUE(cancelled);
}

struct clock_that_only_tasks_can_read : hand_clock {
    tb::time_point now() const override {
        if (!tb::in_task()) {
            throw std::runtime_error("blind");
        }
        return hand_clock::now();
    }
};

TEST(clock, that_throws_when_the_run_looks_for_due_deadlines_ends_the_run_with_internal_error) {
    struct : clock_that_only_tasks_can_read {
        tb::duration time_until(tb::time_point) const override { return tb::duration::zero(); }
    } broken;
    const crash got = crash_of(broken, [] { tb::sleep_for(1s); });
    EXPECT_EQ(shape(got.cause), "blind");
}

TEST(clock, that_throws_while_a_deadlock_is_described_ends_the_run_with_internal_error) {
    clock_that_only_tasks_can_read broken;
    const crash got = crash_of(broken, [] { tb::sleep_for(1s); });
    EXPECT_EQ(shape(got.cause), "blind");
}

TEST(clock, that_throws_when_it_should_jump_ends_the_run_with_internal_error) {
    struct : jumping_clock {
        void autojump(tb::time_point) override { throw std::runtime_error("lame"); }
    } broken;
    const crash got = crash_of(broken, [] { tb::sleep_for(1s); });
    EXPECT_EQ(shape(got.cause), "lame");
}

TEST(clock, that_throws_when_a_task_asks_is_an_error_of_that_task) {
    struct : hand_clock {
        tb::time_point now() const override {
            if (broken) {
                throw std::runtime_error("blind");
            }
            return hand_clock::now();
        }
        bool broken = false;
    } clock;
    const auto main = [&] {
        const auto expect_blindness = [&](auto&& call) {
            clock.broken = true;
            EXPECT_EQ(shape(thrown_by(call)), "blind");
            clock.broken = false;
        };
        expect_blindness([] { static_cast<void>(tb::now()); });
        expect_blindness([] { tb::sleep_for(1s); });
        expect_blindness([] { tb::move_on_after(1s, [] { ADD_FAILURE() << "the body ran"; }); });
        tb::cancel_scope scope{{.deadline = tb::now() + 1s}};
        expect_blindness([&] { scope.run([] { ADD_FAILURE() << "the body ran"; }); });
        EXPECT_FALSE(scope.entered());
        EXPECT_TRUE(scope.run([] { tb::checkpoint(); }));
    };
    tb::run(main, {.clock = &clock, .detect_deadlock = true});
}

TEST(clock, must_not_block) {
    struct : hand_clock {
        tb::duration time_until(tb::time_point) const override {
            tb::checkpoint();
            return tb::duration::zero();
        }
    } blocking;
    const crash got = crash_of(blocking, [] { tb::sleep_for(1s); });
    EXPECT_TRUE(tb::holds<tb::checkpoint_forbidden>(got.cause));
    EXPECT_THAT(tb::describe(got.cause), HasSubstr("a clock must not block"));
}

TEST(clock, is_asked_to_jump_to_the_next_deadline_whenever_everybody_waits) {
    jumping_clock clock;
    std::vector<tb::duration> woken_after;
    const auto main = [&] {
        const tb::time_point began = tb::now();
        tb::open_nursery([&](tb::nursery& n) {
            for (const tb::duration nap : {3s, 1s, 2s}) {
                n.start_soon([&, nap] {
                    tb::sleep_for(nap);
                    woken_after.push_back(tb::now() - began);
                });
            }
        });
    };
    tb::run(main, {.clock = &clock, .detect_deadlock = true});
    EXPECT_THAT(woken_after, ElementsAre(1s, 2s, 3s));
    EXPECT_THAT(clock.jumps, ElementsAre(tb::time_point(101s), tb::time_point(102s), tb::time_point(103s)));
}

TEST(clock, is_not_asked_to_jump_while_somebody_can_run_or_no_deadline_exists) {
    jumping_clock clock;
    const auto main = [&] {
        tb::move_on_after(1s, [&] {
            for (int i = 0; i < 100; ++i) {
                tb::checkpoint();
            }
        });
        EXPECT_THAT(clock.jumps, ElementsAre());
        tb::testing::wait_all_tasks_blocked();
        EXPECT_THAT(clock.jumps, ElementsAre());
        tb::sleep_forever();
    };
    EXPECT_THROW(tb::run(main, {.clock = &clock, .detect_deadlock = true}), tb::deadlock);
    EXPECT_THAT(clock.jumps, ElementsAre());
}

void expect_checkpoint_notices(const std::function<void(tb::duration)>& wind_on) {
    tb::move_on_after(5s, [&] {
        tb::checkpoint();
        wind_on(10s);
        EXPECT_THROW(tb::checkpoint(), tb::cancelled);
    });
}

// case 14
TOMBOLO_TEST(clock, a_checkpoint_notices_a_deadline_that_the_mock_clock_has_just_passed) {
    expect_checkpoint_notices([](tb::duration by) { tb::testing::test_clock().jump(by); });
}

// case 14
TEST(clock, a_checkpoint_notices_a_deadline_that_the_mock_clock_has_just_passed_without_a_seed_too) {
    tb::testing::mock_clock clock;
    const auto main = [&] { expect_checkpoint_notices([&](tb::duration by) { clock.jump(by); }); };
    tb::run(main, {.clock = &clock, .detect_deadlock = true});
}

// case 14
TEST(clock, a_checkpoint_notices_a_deadline_that_a_custom_clock_has_just_passed) {
    hand_clock clock;
    const auto main = [&] { expect_checkpoint_notices([&](tb::duration by) { clock.time += by; }); };
    tb::run(main, {.clock = &clock, .detect_deadlock = true});
}

// case 14
TEST(clock, a_checkpoint_notices_a_deadline_that_the_system_clock_has_just_passed) {
    tb::run([] {
        tb::cancel_scope scope{{.relative_deadline = 1ms}};
        scope.run([&] {
            tb::checkpoint();
            while (tb::now() <= scope.deadline()) {}
            EXPECT_THROW(tb::checkpoint(), tb::cancelled);
        });
    });
}

// R10
TEST(clock, deadlines_take_effect_while_a_task_never_waits) {
    struct : hand_clock {
        tb::time_point now() const override { return time + 1ms * ++asked; }
        tb::duration time_until(tb::time_point) const override { return tb::duration::zero(); }
        mutable int asked = 0;
    } clock;
    int steps = 0;
    const auto main = [&] {
        tb::move_on_after(100ms, [&] {
            for (; steps < 1'000'000; ++steps) {
                tb::checkpoint();
            }
        });
    };
    tb::run(main, {.clock = &clock});
    EXPECT_LT(steps, 1'000'000);
}

// R3
TEST(clock, of_a_run_that_was_given_none_starts_somewhere_else_every_time) {
    std::vector<tb::time_point> starts;
    for (int i = 0; i < 4; ++i) {
        starts.push_back(tb::run(tb::now));
        const auto offset = starts.back().time_since_epoch() - std::chrono::steady_clock::now().time_since_epoch();
        EXPECT_GE(offset, 9'999s);
        EXPECT_LE(offset, 200'000s);
    }
    const auto [earliest, latest] = std::ranges::minmax(starts);
    EXPECT_GT(latest - earliest, 1s);
}

// R3
TEST(clock, of_a_run_that_was_given_none_does_not_go_back) {
    tb::run([] {
        tb::time_point last = tb::now();
        for (int i = 0; i < 1'000; ++i) {
            const tb::time_point time = tb::now();
            EXPECT_GE(time, last);
            last = time;
            tb::checkpoint();
        }
    });
}

}  // namespace
