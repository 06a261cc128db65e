#include "test/fibers/cancellation.hpp"
#include "test/fibers/sample_errors.hpp"

#include <tombolo/testing/test.hpp>
#include <tombolo/testing/wait_all_tasks_blocked.hpp>
#include <tombolo/tombolo.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <exception>
#include <stdexcept>
#include <vector>

// Which of several scopes ends a cancellation, and what it leaves of the error that passes through it (C-1, C-10).

namespace {

namespace tb = tombolo;
using namespace std::chrono_literals;
using tb::testing::is_cancelled_in;

// case 29
TOMBOLO_TEST(cancel_absorb, the_outermost_cancelled_scope_ends_the_cancellation) {
    tb::cancel_scope outer;
    tb::cancel_scope middle;
    tb::cancel_scope inner;
    outer.run([&] {
        EXPECT_FALSE(middle.run([&] {
            inner.run([&] {
                inner.cancel();
                middle.cancel();
                tb::sleep_forever();
            });
            ADD_FAILURE() << "the inner scope must let it pass";
        }));
        tb::checkpoint();
    });
    EXPECT_TRUE(inner.cancel_called());
    EXPECT_FALSE(inner.cancelled_caught());
    EXPECT_TRUE(middle.cancelled_caught());
    EXPECT_FALSE(outer.cancelled_caught());
}

// case 29
TOMBOLO_TEST(cancel_absorb, an_inner_scope_ends_it_when_only_the_inner_one_is_cancelled) {
    tb::cancel_scope outer;
    tb::cancel_scope inner;
    EXPECT_TRUE(outer.run([&] {
        EXPECT_FALSE(inner.run([&] {
            inner.cancel();
            tb::checkpoint();
        }));
        tb::checkpoint();
    }));
    EXPECT_FALSE(outer.cancelled_caught());
}

// case 29
TOMBOLO_TEST(cancel_absorb, a_scope_cancelled_while_the_error_is_on_its_way_out_is_asked_too) {
    tb::cancel_scope outer;
    tb::cancel_scope inner;
    outer.run([&] {
        inner.run([&] {
            inner.cancel();
            try {
                tb::checkpoint();
            } catch (const tb::cancelled&) {
                outer.cancel();
                throw;
            }
        });
        ADD_FAILURE() << "the outer scope is cancelled by the time the inner one is left";
    });
    EXPECT_FALSE(inner.cancelled_caught());
    EXPECT_TRUE(outer.cancelled_caught());
}

// case 29
TOMBOLO_TEST(cancel_absorb, a_scope_that_was_left_takes_its_pending_cancellation_with_it) {
    tb::cancel_scope scope;
    scope.run([&] {
        scope.cancel();
        tb::lowlevel::cancel_shielded_checkpoint();
    });
    tb::checkpoint();
    EXPECT_FALSE(scope.cancelled_caught());
}

// case 30
TOMBOLO_TEST(cancel_absorb, a_shield_removed_on_the_way_out_moves_the_end_outwards) {
    tb::cancel_scope outer;
    tb::cancel_scope inner;
    outer.run([&] {
        inner.run([&] {
            outer.cancel();
            inner.shield(true);
            inner.cancel();
            try {
                tb::checkpoint();
            } catch (const tb::cancelled&) {
                inner.shield(false);
                throw;
            }
        });
        ADD_FAILURE() << "without its shield the inner scope sees the outer cancellation";
    });
    EXPECT_TRUE(outer.cancelled_caught());
    EXPECT_FALSE(inner.cancelled_caught());
}

TOMBOLO_TEST(cancel_absorb, a_shield_put_up_on_the_way_out_makes_a_cancelled_inner_scope_end_it) {
    tb::cancel_scope outer;
    tb::cancel_scope inner;
    EXPECT_TRUE(outer.run([&] {
        inner.run([&] {
            inner.cancel();
            outer.cancel();
            try {
                tb::checkpoint();
            } catch (const tb::cancelled&) {
                inner.shield(true);
                throw;
            }
        });
    }));
    EXPECT_TRUE(inner.cancelled_caught());
    EXPECT_FALSE(outer.cancelled_caught());
}

TOMBOLO_TEST(cancel_absorb, a_shield_put_up_on_the_way_out_does_not_make_an_uncancelled_scope_end_it) {
    tb::cancel_scope outer;
    tb::cancel_scope inner;
    outer.run([&] {
        inner.run([&] {
            outer.cancel();
            try {
                tb::checkpoint();
            } catch (const tb::cancelled&) {
                inner.shield(true);
                throw;
            }
        });
        ADD_FAILURE() << "the inner scope has nothing to do with it any more";
    });
    EXPECT_TRUE(outer.cancelled_caught());
    EXPECT_FALSE(inner.cancelled_caught());
}

TOMBOLO_TEST(cancel_absorb, a_shield_put_up_between_two_scopes_decides_for_the_scope_around_it) {
    tb::cancel_scope outer;
    tb::cancel_scope middle;
    tb::cancel_scope inner;
    EXPECT_TRUE(outer.run([&] {
        middle.run([&] {
            try {
                inner.run([&] {
                    middle.cancel();
                    outer.cancel();
                    tb::checkpoint();
                });
            } catch (const tb::cancelled&) {
                middle.shield(true);
                throw;
            }
        });
        EXPECT_TRUE(middle.cancelled_caught());
    }));
    EXPECT_FALSE(inner.cancelled_caught());
    EXPECT_FALSE(outer.cancelled_caught());
}

TOMBOLO_TEST(cancel_absorb, a_cancelled_scope_ends_any_cancellation_whoever_threw_it) {
    std::exception_ptr stray;
    tb::cancel_scope first;
    first.run([&] {
        first.cancel();
        try {
            tb::checkpoint();
        } catch (const tb::cancelled&) {
            stray = std::current_exception();
            throw;
        }
    });
    tb::cancel_scope uncancelled;
    EXPECT_THROW(uncancelled.run([&] { std::rethrow_exception(stray); }), tb::cancelled);
    EXPECT_FALSE(uncancelled.cancelled_caught());
    tb::cancel_scope cancelled;
    EXPECT_FALSE(cancelled.run([&] {
        cancelled.cancel();
        std::rethrow_exception(stray);
    }));
    EXPECT_TRUE(cancelled.cancelled_caught());
}

TEST(cancel_absorb, a_cancellation_without_a_scope_ends_the_run_like_any_error) {
    EXPECT_THROW(tb::run([] { std::rethrow_exception(tb::testing::make_cancelled()); }), tb::cancelled);
}

// case 10
TOMBOLO_TEST(cancel_absorb, takes_its_cancellations_out_of_a_group_and_lets_the_other_errors_pass) {
    tb::cancel_scope outer;
    const auto crash_among_cancelled_tasks = [&] {
        try {
            tb::open_nursery([&](tb::nursery& n) {
                n.start_soon([] { tb::sleep_forever(); });
                n.start_soon([] { tb::sleep_forever(); });
                tb::testing::wait_all_tasks_blocked();
                outer.cancel();
                n.start_soon([] { throw std::out_of_range("the only real error"); });
                tb::sleep_forever();
            });
        } catch (const tb::base_exception_group& group) {
            EXPECT_EQ(group.exceptions().size(), 4U) << "until here the cancellations belong further out";
            EXPECT_TRUE(group.contains<tb::cancelled>());
            throw;
        }
    };
    try {
        outer.run(crash_among_cancelled_tasks);
        ADD_FAILURE() << "the error got lost";
    } catch (const tb::exception_group& group) {
        ASSERT_EQ(group.exceptions().size(), 1U);
        EXPECT_TRUE(tb::holds<std::out_of_range>(group.exceptions().front()));
    }
    EXPECT_TRUE(outer.cancelled_caught());
}

TOMBOLO_TEST(cancel_absorb, a_group_of_nothing_but_cancellations_ends_without_a_trace) {
    tb::cancel_scope outer;
    EXPECT_FALSE(outer.run([&] {
        tb::open_nursery([&](tb::nursery& n) {
            for (int i = 0; i < 3; ++i)
                n.start_soon([] { tb::open_nursery([](tb::nursery&) { tb::sleep_forever(); }); });
            tb::testing::wait_all_tasks_blocked();
            outer.cancel();
        });
        ADD_FAILURE() << "the nursery must pass on the cancellations of its children";
    }));
    EXPECT_TRUE(outer.cancelled_caught());
}

// case 12
TOMBOLO_TEST(cancel_absorb, a_group_without_cancellations_is_not_caught) {
    tb::cancel_scope scope;
    scope.cancel();
    const std::exception_ptr plain = tb::testing::make_group("g", {tb::testing::make_error("a")});
    try {
        scope.run([&] { std::rethrow_exception(plain); });
        ADD_FAILURE() << "the group got lost";
    } catch (const tb::exception_group&) {
        EXPECT_EQ(std::current_exception(), plain) << "it passes untouched";
    }
    EXPECT_FALSE(scope.cancelled_caught());
}

TOMBOLO_TEST(cancel_absorb, a_loose_group_collapses_to_the_one_error_that_is_left) {
    tb::cancel_scope scope;
    const auto fail_loosely = [&] {
        tb::open_nursery(
            [&](tb::nursery& n) {
                n.start_soon([] { tb::sleep_forever(); });
                tb::testing::wait_all_tasks_blocked();
                scope.cancel();
                throw std::out_of_range("alone in the end");
            },
            {.strict_groups = false});
    };
    EXPECT_THROW(scope.run(fail_loosely), std::out_of_range);
    EXPECT_TRUE(scope.cancelled_caught());
}

TOMBOLO_TEST(cancel_absorb, an_uncancelled_scope_passes_groups_with_cancellations_on_as_they_are) {
    const std::exception_ptr mixed =
        tb::testing::make_group("g", {tb::testing::make_cancelled(), tb::testing::make_error("a")});
    tb::cancel_scope scope;
    try {
        scope.run([&] { std::rethrow_exception(mixed); });
        ADD_FAILURE() << "the group got lost";
    } catch (const tb::base_exception_group&) {
        EXPECT_EQ(std::current_exception(), mixed);
    }
    EXPECT_FALSE(scope.cancelled_caught());
}

TOMBOLO_TEST(cancel_absorb, a_nursery_body_with_a_value_says_so_when_its_own_scope_has_ended_it) {
    const auto end_own_body = [] {
        return tb::open_nursery([](tb::nursery& n) {
            n.cancel_scope().cancel();
            tb::checkpoint();
            return 1;
        });
    };
    EXPECT_THROW(end_own_body(), tb::body_cancelled);
    tb::checkpoint();
}

}  // namespace
