#include "test/fibers/default_sigint.hpp"
#include "test/fibers/thrown.hpp"

#include <tombolo/testing/sequencer.hpp>
#include <tombolo/testing/test.hpp>
#include <tombolo/testing/wait_all_tasks_blocked.hpp>
#include <tombolo/tombolo.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <cstdlib>
#include <exception>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

namespace tb = tombolo;
using namespace std::chrono_literals;
using tb::testing::group_in;
using tb::testing::shape;
using tb::testing::sorted_leaves;
using tb::testing::thrown_by;
using tb::testing::wait_all_tasks_blocked;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

[[noreturn]] void fail(const char* text) { throw std::runtime_error(text); }

// case 4
TOMBOLO_TEST(nursery_errors, a_childs_error_cancels_its_siblings_and_reaches_the_opener_in_a_group) {
    int siblings_cancelled = 0;
    const auto error = thrown_by([&] {
        tb::open_nursery([&](tb::nursery& n) {
            for (int i = 0; i < 3; ++i) {
                n.start_soon([&] {
                    try {
                        for (;;) {
                            tb::checkpoint();
                        }
                    } catch (const tb::cancelled&) {
                        ++siblings_cancelled;
                        throw;
                    }
                });
            }
            n.start_soon([] { fail("crash"); });
        });
    });
    EXPECT_EQ(siblings_cancelled, 3);
    EXPECT_TRUE(tb::holds<tb::exception_group>(error));
    EXPECT_EQ(shape(error), "exceptions from a nursery[crash]");
}

// case 5
TOMBOLO_TEST(nursery_errors, the_errors_of_several_children_leave_in_one_group) {
    const auto error = thrown_by([] {
        tb::open_nursery([](tb::nursery& n) {
            n.start_soon([] { fail("one"); });
            n.start_soon([] { fail("two"); });
        });
    });
    EXPECT_THAT(sorted_leaves(error), ElementsAre("one", "two"));
    EXPECT_EQ(group_in(error).exceptions().size(), 2U);
}

// case 5
TOMBOLO_TEST(nursery_errors, the_errors_of_the_body_and_of_a_child_leave_in_one_group) {
    const auto error = thrown_by([] {
        tb::open_nursery([](tb::nursery& n) {
            n.start_soon([] { fail("child"); });
            fail("body");
        });
    });
    EXPECT_EQ(shape(error), "exceptions from a nursery[body, child]");
}

// case 6
TOMBOLO_TEST(nursery_errors, a_childs_error_wakes_a_body_that_sleeps_and_says_who_failed) {
    bool woken = false;
    const auto error = thrown_by([&] {
        tb::open_nursery([&](tb::nursery& n) {
            n.start_soon([] { fail("out of paper"); }, {.name = "printer"});
            try {
                tb::sleep_forever();
            } catch (const tb::cancelled& cancel) {
                woken = true;
                EXPECT_EQ(cancel.source(), tb::cancel_source::nursery);
                EXPECT_EQ(cancel.source_task(), "printer");
                EXPECT_THAT(cancel.reason(), HasSubstr("out of paper"));
                throw;
            }
        });
    });
    EXPECT_TRUE(woken);
    EXPECT_EQ(shape(error), "exceptions from a nursery[out of paper]");
}

// case 7
TOMBOLO_TEST(nursery_errors, the_bodys_error_cancels_the_children_and_says_so) {
    bool cancelled = false;
    const auto error = thrown_by([&] {
        tb::open_nursery([&](tb::nursery& n) {
            n.start_soon([&] {
                try {
                    tb::sleep_forever();
                } catch (const tb::cancelled& cancel) {
                    cancelled = true;
                    EXPECT_EQ(cancel.source(), tb::cancel_source::nursery);
                    EXPECT_THAT(cancel.reason(), HasSubstr("body threw"));
                    throw;
                }
            });
            wait_all_tasks_blocked();
            fail("body");
        });
    });
    EXPECT_TRUE(cancelled);
    EXPECT_EQ(shape(error), "exceptions from a nursery[body]");
}

// N9
TOMBOLO_TEST(nursery_errors, the_group_has_the_errors_in_order_of_arrival_with_later_ones_too) {
    const auto error = thrown_by([] {
        tb::testing::sequencer order;
        const auto fail_in_cleanup = [&](unsigned position, const char* text) {
            try {
                tb::sleep_forever();
            } catch (const tb::cancelled&) {
                tb::cancel_scope shield{{.shield = true}};
                shield.run([&] { order(position, [&] { fail(text); }); });
            }
        };
        tb::open_nursery([&](tb::nursery& n) {
            n.start_soon([&] { fail_in_cleanup(1, "third"); });
            n.start_soon([&] { fail_in_cleanup(0, "second"); });
            wait_all_tasks_blocked();
            fail("first");
        });
    });
    EXPECT_EQ(shape(error), "exceptions from a nursery[first, second, third]");
}

// N9
TOMBOLO_TEST(nursery_errors, the_group_has_the_very_exceptions_that_were_thrown) {
    std::exception_ptr thrown;
    const auto error = thrown_by([&] {
        tb::open_nursery([&](tb::nursery& n) {
            n.start_soon([&] {
                try {
                    fail("mine");
                } catch (...) {
                    thrown = std::current_exception();
                    throw;
                }
            });
        });
    });
    ASSERT_EQ(group_in(error).exceptions().size(), 1U);
    EXPECT_EQ(group_in(error).exceptions().front(), thrown);
}

// N9
TOMBOLO_TEST(nursery_errors, a_leaf_that_is_no_std_exception_makes_a_base_group) {
    const auto error = thrown_by([] { tb::open_nursery([](tb::nursery&) { throw 42; }); });
    EXPECT_TRUE(tb::holds<tb::base_exception_group>(error));
    EXPECT_FALSE(tb::holds<std::exception>(error));
}

TOMBOLO_TEST(nursery_errors, groups_of_nested_nurseries_nest) {
    const auto error = thrown_by([] {
        tb::open_nursery(
            [](tb::nursery& n) { n.start_soon([] { tb::open_nursery([](tb::nursery&) { fail("deep"); }); }); });
    });
    EXPECT_EQ(shape(error), "exceptions from a nursery[exceptions from a nursery[deep]]");
}

// case 10
TOMBOLO_TEST(nursery_errors, a_scope_takes_its_cancelled_out_of_a_group_and_leaves_the_rest) {
    tb::cancel_scope outer;
    std::exception_ptr inside;
    const auto body = [&](tb::nursery& n) {
        n.start_soon([] { tb::sleep_forever(); });
        n.start_soon([] { tb::sleep_forever(); });
        n.cancel_scope().cancel();
        tb::cancel_scope shield{{.shield = true}};
        shield.run([] { wait_all_tasks_blocked(); });
        n.start_soon([] { tb::sleep_forever(); });
        outer.cancel();
        n.start_soon([] { fail("crash"); });
    };
    const auto error = thrown_by([&] {
        outer.run([&] {
            // The outer scope is cancelled by the time the nursery is left, so the nursery's own scope absorbs nothing.
            inside = thrown_by([&] { tb::open_nursery(body); });
            std::rethrow_exception(inside);
        });
    });
    EXPECT_THAT(sorted_leaves(inside), ElementsAre("cancelled", "cancelled", "cancelled", "crash"));
    EXPECT_EQ(shape(error), "exceptions from a nursery[crash]");
    EXPECT_TRUE(tb::holds<tb::exception_group>(error));
    EXPECT_TRUE(outer.cancelled_caught());
}

// case 12
TOMBOLO_TEST(nursery_errors, a_cancelled_scope_catches_nothing_in_a_group_without_cancelled) {
    tb::cancel_scope scope;
    scope.cancel();
    const auto crash = [](tb::nursery& n) { n.start_soon([] { fail("crash"); }); };
    const auto error = thrown_by([&] { scope.run([&] { tb::open_nursery(crash); }); });
    EXPECT_EQ(shape(error), "exceptions from a nursery[crash]");
    EXPECT_FALSE(scope.cancelled_caught());
}

std::string shape_of_one_error(bool strict_run, std::optional<bool> strict_nursery) {
    const auto fail_in_nursery = [&] {
        tb::open_nursery([](tb::nursery& n) { n.start_soon([] { fail("boom"); }); }, {.strict_groups = strict_nursery});
    };
    return shape(thrown_by([&] { tb::run(fail_in_nursery, {.strict_groups = strict_run, .detect_deadlock = true}); }));
}

// case 11
TEST(nursery_errors, a_single_error_is_bare_in_a_loose_nursery_and_in_a_group_in_a_strict_one) {
    EXPECT_EQ(shape_of_one_error(true, std::nullopt), "exceptions from a nursery[boom]");
    EXPECT_EQ(shape_of_one_error(false, std::nullopt), "boom");
    EXPECT_EQ(shape_of_one_error(false, true), "exceptions from a nursery[boom]");
    EXPECT_EQ(shape_of_one_error(true, false), "boom");
}

// N10
TOMBOLO_TEST(nursery_errors, two_errors_of_a_loose_nursery_leave_in_a_group_marked_as_loose) {
    const auto fail_twice = [](tb::nursery& n) {
        n.start_soon([] { fail("two"); });
        fail("one");
    };
    const auto error = thrown_by([&] { tb::open_nursery(fail_twice, {.strict_groups = false}); });
    EXPECT_EQ(shape(error), "exceptions from a nursery*[one, two]");
}

// What a scope leaves of two nested nurseries that end with one error and, each, a cancelled of that scope.
std::string shape_behind_a_scope(bool strict_outer, bool strict_inner) {
    tb::cancel_scope scope;
    const auto inner_body = [&](tb::nursery& n) {
        n.start_soon([] { tb::sleep_forever(); });
        scope.cancel();
        fail("boom");
    };
    const auto outer_body = [&](tb::nursery& n) {
        n.start_soon([] { tb::sleep_forever(); });
        tb::open_nursery(inner_body, {.strict_groups = strict_inner});
    };
    const auto nest = [&] { tb::open_nursery(outer_body, {.strict_groups = strict_outer}); };
    return shape(thrown_by([&] { scope.run(nest); }));
}

// N10
TOMBOLO_TEST(nursery_errors, loose_groups_collapse_to_the_only_error_that_a_scope_leaves_and_strict_ones_never) {
    EXPECT_EQ(shape_behind_a_scope(true, true), "exceptions from a nursery[exceptions from a nursery[boom]]");
    EXPECT_EQ(shape_behind_a_scope(true, false), "exceptions from a nursery[boom]");
    EXPECT_EQ(shape_behind_a_scope(false, true), "exceptions from a nursery[boom]");
    EXPECT_EQ(shape_behind_a_scope(false, false), "boom");
}

// N11
TOMBOLO_TEST(nursery_errors, a_cancelled_that_arrives_in_the_exit_is_left_to_the_children) {
    tb::cancel_scope scope;
    bool child_finished = false;
    bool left = false;
    EXPECT_TRUE(scope.run([&] {
        tb::open_nursery([&](tb::nursery& n) {
            n.start_soon([&] {
                tb::cancel_scope shield{{.shield = true}};
                shield.run([] { tb::sleep_for(2s); });
                child_finished = true;
            });
            n.start_soon([&] {
                tb::sleep_for(1s);
                scope.cancel();
            });
        });
        left = true;
    }));
    EXPECT_TRUE(child_finished);
    EXPECT_TRUE(left);
    EXPECT_FALSE(scope.cancelled_caught());
}

// N11
TEST(nursery_errors, an_interrupt_that_arrives_in_the_exit_is_an_error_of_the_nursery) {
    const tb::testing::default_sigint terminal;
    bool child_cancelled = false;
    const auto interrupt_and_sleep = [&] {
        std::raise(SIGINT);
        try {
            tb::sleep_forever();
        } catch (const tb::cancelled& cancel) {
            child_cancelled = true;
            EXPECT_EQ(cancel.source(), tb::cancel_source::keyboard_interrupt);
            throw;
        }
    };
    const auto main = [&] {
        const auto error =
            thrown_by([&] { tb::open_nursery([&](tb::nursery& n) { n.start_soon(interrupt_and_sleep); }); });
        ASSERT_TRUE(tb::holds<tb::base_exception_group>(error)) << tb::describe(error);
        ASSERT_EQ(group_in(error).exceptions().size(), 1U);
        EXPECT_TRUE(tb::holds<tb::keyboard_interrupt>(group_in(error).exceptions().front()));
        tb::checkpoint();
    };
    tb::run(main, {.detect_deadlock = true});
    EXPECT_TRUE(child_cancelled);
}

// N14
TOMBOLO_TEST(nursery_errors, an_error_before_started_leaves_start_bare_and_the_nursery_unharmed) {
    tb::open_nursery([](tb::nursery& n) {
        const auto error = thrown_by([&] { n.start([](tb::task_status<>&) { fail("early"); }); });
        EXPECT_EQ(shape(error), "early");
        EXPECT_FALSE(n.cancel_scope().cancel_called());
    });
}

// case 21
TOMBOLO_TEST(nursery_errors, several_failures_in_the_hidden_nursery_of_start_are_an_internal_error) {
    tb::open_nursery([](tb::nursery& n) {
        const auto misuse = [](tb::task_status<>&) {
            tb::nursery& hidden = *tb::lowlevel::current_task().parent_nursery();
            hidden.start_soon([] { fail("one"); });
            hidden.start_soon([] { fail("two"); });
        };
        try {
            n.start(misuse);
            ADD_FAILURE() << "start() returned";
        } catch (const tb::internal_error& error) {
            EXPECT_THAT(error.what(), HasSubstr("do not spawn into parent_nursery() before started()"));
            EXPECT_THAT(sorted_leaves(error.cause()), ElementsAre("one", "two"));
        }
        EXPECT_FALSE(n.cancel_scope().cancel_called());
    });
}

TOMBOLO_TEST(nursery_errors, an_error_that_a_nursery_has_thrown_is_gone) {
    for (int i = 0; i < 3; ++i) {
        const auto error = thrown_by([] { tb::open_nursery([](tb::nursery&) { fail("boom"); }); });
        EXPECT_EQ(shape(error), "exceptions from a nursery[boom]");
    }
    tb::checkpoint();
    tb::open_nursery([](tb::nursery& n) { n.start_soon([] { tb::checkpoint(); }); });
}

template <class... T>
struct fails_under_a_long_name {
    void operator()() const { fail("boom"); }
};
template <class T>
using twice = fails_under_a_long_name<std::vector<T>, std::set<T>>;
using four_fold = twice<twice<std::string>>;

// The text of the reason has the task's name in it; making that must not take more stack than the task has.
TEST(nursery_errors, a_child_on_a_small_stack_may_fail_whatever_the_length_of_its_name) {
    const auto fail_on_a_small_stack = [] {
        const auto error = thrown_by([] {
            tb::run([] {
                tb::open_nursery([](tb::nursery& n) { n.start_soon(twice<four_fold>(), {.stack_size = 16UL << 10}); });
            });
        });
        std::_Exit(shape(error) == "exceptions from a nursery[boom]" ? 0 : 1);
    };
    EXPECT_EXIT(fail_on_a_small_stack(), ::testing::ExitedWithCode(0), "");
}

}  // namespace
