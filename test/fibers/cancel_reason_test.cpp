#include "test/fibers/cancellation.hpp"

#include <tombolo/testing/mock_clock.hpp>
#include <tombolo/testing/test.hpp>
#include <tombolo/testing/wait_all_tasks_blocked.hpp>
#include <tombolo/tombolo.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <csignal>
#include <optional>
#include <stdexcept>
#include <string>
#include <type_traits>

namespace {

namespace tb = tombolo;
using namespace std::chrono_literals;
using tb::cancel_source;
using tb::testing::cancellation_of;
using ::testing::HasSubstr;

/// Why the current task is cancelled; fails the test if it is not.
tb::cancel_reason reason_now() {
    const auto reason = cancellation_of([] { tb::sleep_for(1000s); });
    EXPECT_TRUE(reason.has_value()) << "this task should have been cancelled";
    return reason.value_or(tb::cancel_reason{});
}

// case 40
TOMBOLO_TEST(cancel_reason, of_an_explicit_cancel_is_what_was_given_and_who_gave_it) {
    tb::open_nursery([](tb::nursery& n) {
        n.start_soon(
            [&] {
                tb::sleep_for(1s);
                n.cancel_scope().cancel("user pressed stop");
            },
            {.name = "the canceller"});
        const auto reason = reason_now();
        EXPECT_EQ(reason.source, cancel_source::explicit_call);
        EXPECT_EQ(reason.reason, "user pressed stop");
        EXPECT_EQ(reason.source_task, "the canceller");
    });
}

TOMBOLO_TEST(cancel_reason, is_empty_when_none_was_given) {
    tb::cancel_scope scope;
    scope.run([&] {
        scope.cancel();
        const auto reason = reason_now();
        EXPECT_EQ(reason.source, cancel_source::explicit_call);
        EXPECT_EQ(reason.reason, "");
        EXPECT_EQ(reason.source_task, "main");
    });
}

TOMBOLO_TEST(cancel_reason, outlives_the_text_it_was_made_from) {
    tb::cancel_scope scope;
    scope.run([&] {
        {
            const std::string text = "a text that is too long for the small string optimisation";
            scope.cancel(text);
        }
        EXPECT_EQ(reason_now().reason, "a text that is too long for the small string optimisation");
    });
}

// case 40
TOMBOLO_TEST(cancel_reason, of_a_deadline_says_so_wherever_it_is_noticed) {
    const auto expect_deadline = [](const tb::cancel_reason& reason) {
        EXPECT_EQ(reason.source, cancel_source::deadline);
        EXPECT_EQ(reason.source_task, "");
    };
    tb::move_on_after(1s, [&] { expect_deadline(reason_now()); });
    tb::move_on_at(tb::now() - 1s, [&] { expect_deadline(reason_now()); });
    tb::cancel_scope read_early{{.deadline = tb::now()}};
    EXPECT_TRUE(read_early.cancel_called());
    read_early.run([&] { expect_deadline(reason_now()); });
    tb::cancel_scope read_late;
    read_late.run([&] {
        read_late.deadline(tb::now());
        EXPECT_TRUE(read_late.cancel_called());
        expect_deadline(reason_now());
    });
}

// case 40
TOMBOLO_TEST(cancel_reason, of_a_failing_nursery_names_the_task_and_its_error) {
    std::optional<tb::cancel_reason> sibling;
    std::optional<tb::cancel_reason> body;
    const auto fail = [&] {
        tb::open_nursery([&](tb::nursery& n) {
            n.start_soon([&] { sibling = reason_now(); });
            n.start_soon(
                [] {
                    tb::sleep_for(1s);
                    throw std::out_of_range("beyond the end");
                },
                {.name = "the failing one"});
            body = reason_now();
        });
    };
    EXPECT_THROW(fail(), tb::exception_group);
    for (const auto& reason : {sibling, body}) {
        ASSERT_TRUE(reason.has_value());
        EXPECT_EQ(reason->source, cancel_source::nursery);
        EXPECT_EQ(reason->source_task, "the failing one");
        EXPECT_THAT(reason->reason, HasSubstr("out_of_range"));
        EXPECT_THAT(reason->reason, HasSubstr("beyond the end"));
        EXPECT_THAT(reason->reason, HasSubstr("the failing one"));
    }
}

// case 40
TOMBOLO_TEST(cancel_reason, of_a_failing_nursery_body_names_the_task_of_the_body) {
    std::optional<tb::cancel_reason> child;
    const auto fail = [&] {
        tb::open_nursery([&](tb::nursery& n) {
            n.start_soon([&] { child = reason_now(); });
            tb::testing::wait_all_tasks_blocked();
            throw std::out_of_range("from the body");
        });
    };
    EXPECT_THROW(fail(), tb::exception_group);
    ASSERT_TRUE(child.has_value());
    EXPECT_EQ(child->source, cancel_source::nursery);
    EXPECT_EQ(child->source_task, "main");
    EXPECT_THAT(child->reason, HasSubstr("from the body"));
}

// case 40
TOMBOLO_TEST(cancel_reason, of_a_nested_failure_names_the_innermost_task_inside_and_the_outer_child_outside) {
    std::optional<tb::cancel_reason> inner;
    std::optional<tb::cancel_reason> outer;
    const auto fail = [&] {
        tb::open_nursery([&](tb::nursery& n) {
            n.start_soon([&] { outer = reason_now(); });
            n.start_soon(
                [&] {
                    tb::open_nursery([&](tb::nursery& nested) {
                        nested.start_soon([&] { inner = reason_now(); });
                        tb::testing::wait_all_tasks_blocked();
                        nested.start_soon([] { throw std::out_of_range("deep down"); }, {.name = "grandchild"});
                    });
                },
                {.name = "child"});
        });
    };
    EXPECT_THROW(fail(), tb::exception_group);
    ASSERT_TRUE(inner.has_value());
    ASSERT_TRUE(outer.has_value());
    EXPECT_EQ(inner->source_task, "grandchild");
    EXPECT_EQ(outer->source_task, "child");
    EXPECT_EQ(outer->source, cancel_source::nursery);
    EXPECT_THAT(outer->reason, HasSubstr("deep down"));
}

// case 40
TOMBOLO_TEST(cancel_reason, of_the_first_cancel_is_kept) {
    tb::cancel_scope scope{{.deadline = tb::now() + 1s}};
    scope.run([&] {
        scope.cancel("first");
        scope.cancel("second");
        EXPECT_EQ(reason_now().reason, "first");
        tb::cancel_scope shield{{.shield = true}};
        shield.run([] { tb::sleep_for(2s); });
        EXPECT_EQ(reason_now().reason, "first") << "the deadline comes too late";
    });
    tb::cancel_scope timed{{.deadline = tb::now() + 1s}};
    timed.run([&] {
        EXPECT_EQ(reason_now().source, cancel_source::deadline);
        timed.cancel("too late");
        EXPECT_EQ(reason_now().source, cancel_source::deadline);
    });
}

// case 40
TOMBOLO_TEST(cancel_reason, of_an_explicit_cancel_is_not_overwritten_by_an_error_in_the_nursery) {
    std::optional<tb::cancel_reason> last;
    const auto fail = [&] {
        tb::open_nursery([&](tb::nursery& n) {
            n.start_soon([&] {
                EXPECT_EQ(reason_now().reason, "mine");
                tb::lowlevel::cancel_shielded_checkpoint();
                tb::lowlevel::cancel_shielded_checkpoint();
                last = reason_now();
            });
            tb::testing::wait_all_tasks_blocked();
            n.cancel_scope().cancel("mine");
            throw std::out_of_range("later");
        });
    };
    EXPECT_THROW(fail(), tb::exception_group);
    ASSERT_TRUE(last.has_value());
    EXPECT_EQ(last->reason, "mine");
}

// case 40
TOMBOLO_TEST(cancel_reason, comes_down_from_the_scope_that_was_cancelled) {
    tb::cancel_scope outer;
    outer.run([&] {
        tb::cancel_scope inner;
        inner.run([&] {
            tb::open_nursery([&](tb::nursery& n) {
                n.start_soon([] {
                    const auto reason = reason_now();
                    EXPECT_EQ(reason.source, cancel_source::explicit_call);
                    EXPECT_EQ(reason.reason, "from far above");
                    EXPECT_EQ(reason.source_task, "main");
                });
                tb::testing::wait_all_tasks_blocked();
                outer.cancel("from far above");
            });
            tb::cancel_scope entered_late;
            entered_late.run([] { EXPECT_EQ(reason_now().reason, "from far above"); });
        });
    });
}

TOMBOLO_TEST(cancel_reason, of_a_scope_itself_wins_over_the_one_from_outside) {
    tb::cancel_scope outer;
    outer.run([&] {
        tb::cancel_scope inner;
        inner.run([&] {
            inner.cancel("inner");
            outer.cancel("outer");
            EXPECT_EQ(reason_now().reason, "inner");
        });
        EXPECT_EQ(reason_now().reason, "outer");
    });
}

TOMBOLO_TEST(cancel_reason, given_before_entry_is_kept) {
    tb::cancel_scope scope;
    scope.cancel("in advance");
    scope.run([] { EXPECT_EQ(reason_now().reason, "in advance"); });
}

TEST(cancel_reason, of_a_system_task_at_the_end_of_the_run_is_the_shutdown) {
    std::optional<tb::cancel_reason> reason;
    tb::run([&] {
        tb::lowlevel::spawn_system_task([&] { reason = cancellation_of([] { tb::sleep_forever(); }); });
        tb::checkpoint();
    });
    ASSERT_TRUE(reason.has_value());
    EXPECT_EQ(reason->source, cancel_source::shutdown);
}

// case 40
TEST(cancel_reason, of_a_nursery_that_kept_a_keyboard_interrupt_is_the_interrupt) {
    // A background job of a shell starts with SIGINT ignored, and a run leaves it so.
    const auto disposition_before = std::signal(SIGINT, SIG_DFL);
    tb::testing::mock_clock clock{{.autojump_threshold = 0s}};
    std::optional<tb::cancel_reason> reason;
    bool group_came = false;
    const auto main_task = [&] {
        try {
            tb::open_nursery([&](tb::nursery& n) {
                n.start_soon([&] {
                    std::raise(SIGINT);
                    reason = cancellation_of([] { tb::sleep_for(1000s); });
                });
            });
        } catch (const tb::base_exception_group& group) {
            group_came = group.contains<tb::keyboard_interrupt>();
        }
    };
    tb::run(main_task, {.clock = &clock});
    std::signal(SIGINT, disposition_before);
    EXPECT_TRUE(group_came);
    ASSERT_TRUE(reason.has_value());
    EXPECT_EQ(reason->source, cancel_source::keyboard_interrupt);
}

TOMBOLO_TEST(cancel_reason, is_told_by_the_text_of_the_error) {
    tb::cancel_scope scope;
    scope.run([&] {
        scope.cancel("the user got bored");
        try {
            tb::checkpoint();
        } catch (const tb::cancelled& error) {
            EXPECT_THAT(error.what(), HasSubstr("the user got bored"));
            EXPECT_THAT(error.what(), HasSubstr("main"));
            EXPECT_THAT(error.what(), HasSubstr("explicit call"));
            throw;
        }
    });
}

// A cancellation must not be caught by mistake, and only the library makes one.
static_assert(!std::is_base_of_v<std::exception, tb::cancelled>);
static_assert(!std::is_default_constructible_v<tb::cancelled>);
static_assert(!std::is_constructible_v<tb::cancelled, std::string>);

}  // namespace
