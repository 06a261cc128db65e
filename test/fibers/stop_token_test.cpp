#include <tombolo/fibers/stop_token.hpp>

#include "test/fibers/cancellation.hpp"
#include "test/fibers/thrown.hpp"

#include <tombolo/fibers/cancel_scope.hpp>
#include <tombolo/fibers/checkpoint.hpp>
#include <tombolo/fibers/nursery.hpp>
#include <tombolo/fibers/run.hpp>
#include <tombolo/fibers/run_token.hpp>
#include <tombolo/fibers/timeouts.hpp>
#include <tombolo/testing/test.hpp>
#include <tombolo/testing/wait_all_tasks_blocked.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>

namespace tombolo::testing {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

// ---- a scope cancelled by a stop token

TOMBOLO_TEST(cancel_on_stop, lets_a_body_finish_that_nobody_stops) {
    std::stop_source source;
    EXPECT_EQ(run_with_stop_token(source.get_token(), [] { return 42; }), 42);
    EXPECT_TRUE(run_with_stop_token(source.get_token(), [] { checkpoint(); }));
    EXPECT_TRUE(run_with_stop_token(std::stop_token(), [] { checkpoint(); })) << "a token without a source";
}

TOMBOLO_TEST(cancel_on_stop, cancels_the_body_when_a_task_requests_stop) {
    std::stop_source source;
    open_nursery([&](nursery& n) {
        n.start_soon(
            [&] {
                wait_all_tasks_blocked();
                source.request_stop();
            },
            {.name = "stopper"});
        std::optional<cancel_reason> reason;
        EXPECT_TRUE(
            run_with_stop_token(source.get_token(), [&] { reason = cancellation_of([] { sleep_forever(); }); }));
        ASSERT_TRUE(reason);
        EXPECT_EQ(reason->source, cancel_source::explicit_call);
        EXPECT_THAT(reason->reason, HasSubstr("std::stop_token"));
        EXPECT_EQ(reason->source_task, "stopper");
    });
    EXPECT_FALSE(run_with_stop_token(source.get_token(), [] { sleep_forever(); }));
}

TOMBOLO_TEST(cancel_on_stop, cancels_on_the_runs_own_thread_before_request_stop_returns) {
    std::stop_source source;
    cancel_scope scope;
    const cancel_on_stop link(scope, source.get_token(), "as the user wished");
    EXPECT_FALSE(scope.cancel_called());
    source.request_stop();
    EXPECT_TRUE(scope.cancel_called());
    scope.run([] { EXPECT_EQ(cancellation_of([] { checkpoint(); })->reason, "as the user wished"); });
}

TOMBOLO_TEST(cancel_on_stop, cancels_at_once_when_stop_was_requested_before) {
    std::stop_source source;
    source.request_stop();
    bool begun = false;
    EXPECT_FALSE(run_with_stop_token(source.get_token(), [&] {
        begun = true;
        checkpoint();
        ADD_FAILURE() << "a checkpoint in a cancelled scope";
    }));
    EXPECT_TRUE(begun);
}

TOMBOLO_TEST(cancel_on_stop, cancels_no_more_when_it_has_gone) {
    std::stop_source source;
    cancel_scope scope;
    { const cancel_on_stop link(scope, source.get_token()); }
    source.request_stop();
    wait_all_tasks_blocked();
    EXPECT_FALSE(scope.cancel_called());
}

TOMBOLO_TEST(cancel_on_stop, forgets_a_request_of_another_thread_that_was_under_way_when_it_went) {
    std::stop_source source;
    cancel_scope scope;
    {
        const cancel_on_stop link(scope, source.get_token());
        std::jthread([&] { source.request_stop(); }).join();
    }
    wait_all_tasks_blocked();
    EXPECT_FALSE(scope.cancel_called());
}

TOMBOLO_TEST(cancel_on_stop, cancels_every_scope_that_is_linked_and_nothing_around_it) {
    std::stop_source source;
    cancel_scope around;
    EXPECT_TRUE(around.run([&] {
        open_nursery([&](nursery& n) {
            for (int i = 0; i < 3; ++i)
                n.start_soon([&] { EXPECT_FALSE(run_with_stop_token(source.get_token(), [] { sleep_forever(); })); });
            wait_all_tasks_blocked();
            source.request_stop();
        });
        checkpoint();
    }));
    EXPECT_FALSE(around.cancelled_caught());
}

TOMBOLO_TEST(cancel_on_stop, survives_its_source) {
    std::optional<std::stop_source> source(std::in_place);
    EXPECT_TRUE(run_with_stop_token(source->get_token(), [&] {
        source.reset();
        checkpoint();
    }));
}

TEST(cancel_on_stop, is_made_in_the_run_whose_scope_it_cancels) {
    std::stop_source source;
    cancel_scope scope;
    EXPECT_THAT(
        text_of<not_in_run>([&] { const cancel_on_stop link(scope, source.get_token()); }),
        HasSubstr("cancel_on_stop"));
    run([&] {
        scope.run([&] {
            std::jthread([&] {
                run([&] {
                    EXPECT_THAT(
                        text_of<wrong_thread>([&] { const cancel_on_stop link(scope, source.get_token()); }),
                        HasSubstr("another"));
                });
            });
        });
    });
    EXPECT_FALSE(scope.cancel_called());
}

// ---- a stop source tied to a scope

TOMBOLO_TEST(scope_stop_source, requests_stop_when_its_scope_is_cancelled) {
    cancel_scope scope;
    const scope_stop_source stop(scope);
    const std::stop_token token = stop.get_token();
    EXPECT_TRUE(token.stop_possible());
    scope.run([&] {
        checkpoint();
        EXPECT_FALSE(token.stop_requested());
        scope.cancel();
        EXPECT_TRUE(token.stop_requested()) << "before cancel() returns";
    });
    EXPECT_TRUE(stop.stop_requested());
}

TOMBOLO_TEST(scope_stop_source, requests_stop_when_the_deadline_passes) {
    cancel_scope scope{{.relative_deadline = 1s}};
    const scope_stop_source stop(scope);
    scope.run([&] {
        EXPECT_FALSE(stop.stop_requested());
        sleep_forever();
    });
    EXPECT_TRUE(stop.stop_requested());
}

TOMBOLO_TEST(scope_stop_source, requests_stop_when_the_cancellation_comes_from_outside) {
    cancel_scope outer;
    bool inner_was_cancelled = true;
    outer.run([&] {
        cancel_scope inner;
        const scope_stop_source stop(inner);
        inner.run([&] {
            outer.cancel();
            EXPECT_TRUE(stop.stop_requested());
        });
        inner_was_cancelled = inner.cancel_called();
    });
    EXPECT_FALSE(inner_was_cancelled);
}

TOMBOLO_TEST(scope_stop_source, spares_what_a_shield_spares_until_it_is_gone) {
    cancel_scope outer;
    outer.run([&] {
        cancel_scope inner{{.shield = true}};
        const scope_stop_source stop(inner);
        inner.run([&] {
            outer.cancel();
            EXPECT_FALSE(stop.stop_requested());
            inner.shield(false);
            EXPECT_TRUE(stop.stop_requested());
        });
    });
}

TOMBOLO_TEST(scope_stop_source, requests_stop_at_once_when_the_scope_is_cancelled_already) {
    cancel_scope scope;
    scope.cancel();
    EXPECT_TRUE(scope_stop_source(scope).stop_requested());
    cancel_scope outer;
    outer.cancel();
    outer.run([] {
        cancel_scope inner;
        const scope_stop_source before_entry(inner);
        EXPECT_FALSE(before_entry.stop_requested());
        inner.run([&] {
            EXPECT_TRUE(before_entry.stop_requested());
            EXPECT_TRUE(scope_stop_source(inner).stop_requested());
        });
    });
    cancel_scope unentered;
    const scope_stop_source stop(unentered);
    unentered.cancel();
    EXPECT_TRUE(stop.stop_requested());
}

TOMBOLO_TEST(scope_stop_source, ties_several_to_one_scope_and_forgets_those_that_have_gone) {
    cancel_scope scope;
    std::optional<scope_stop_source> sources[4];
    for (auto& each : sources) each.emplace(scope);
    const std::stop_token orphan = sources[1]->get_token();
    sources[1].reset();
    sources[3].reset();
    sources[3].emplace(scope);
    scope.cancel();
    EXPECT_FALSE(orphan.stop_requested());
    for (const int i : {0, 2, 3}) EXPECT_TRUE(sources[i]->stop_requested());
}

TOMBOLO_TEST(scope_stop_source, outlives_its_scope) {
    std::optional<cancel_scope> scope(std::in_place);
    const scope_stop_source first(*scope);
    const scope_stop_source second(*scope);
    scope.reset();
    EXPECT_FALSE(first.stop_requested());
    EXPECT_FALSE(second.stop_requested());
}

TOMBOLO_TEST(scope_stop_source, works_for_a_nurserys_scope) {
    open_nursery([](nursery& n) {
        const scope_stop_source stop(n.cancel_scope());
        n.start_soon([&] {
            checkpoint();
            n.cancel_scope().cancel();
        });
        EXPECT_TRUE(is_cancelled_in([] { sleep_forever(); }));
        EXPECT_TRUE(stop.stop_requested());
    });
}

TOMBOLO_TEST(scope_stop_source, and_its_opposite_carry_a_cancellation_from_scope_to_scope) {
    cancel_scope first;
    const scope_stop_source stop(first);
    open_nursery([&](nursery& n) {
        n.start_soon([&] { EXPECT_FALSE(run_with_stop_token(stop.get_token(), [] { sleep_forever(); })); });
        wait_all_tasks_blocked();
        first.cancel();
    });
}

// ---- the hook below it

TOMBOLO_TEST(cancel_watch, is_called_once_where_blocking_is_refused) {
    cancel_scope scope;
    int calls = 0;
    const lowlevel::cancel_watch watch(scope, [&] {
        ++calls;
        EXPECT_THAT(text_of<checkpoint_forbidden>([] { checkpoint(); }), HasSubstr("must not block"));
    });
    scope.run([&] {
        scope.cancel();
        scope.shield(true);
        scope.cancel();
        scope.shield(false);
    });
    EXPECT_EQ(calls, 1);
}

TOMBOLO_TEST(cancel_watch, may_cancel_other_scopes_and_destroy_watches) {
    cancel_scope first;
    cancel_scope second;
    int calls = 0;
    std::optional<lowlevel::cancel_watch> itself;
    std::optional<lowlevel::cancel_watch> other;
    const lowlevel::cancel_watch last(second, [&] { ++calls; });
    other.emplace(first, [&] { ADD_FAILURE() << "it has been destroyed"; });
    itself.emplace(first, [&] {
        ++calls;
        other.reset();
        itself.reset();
        second.cancel();
    });
    first.run([&] { second.run([&] { first.cancel(); }); });
    EXPECT_EQ(calls, 2);
    EXPECT_TRUE(second.cancel_called());
}

TOMBOLO_TEST(cancel_watch, refuses_an_empty_function) {
    cancel_scope scope;
    EXPECT_THAT(
        text_of<usage_error>([&] { const lowlevel::cancel_watch watch(scope, unique_function<void()>()); }),
        HasSubstr("something to call"));
    scope.cancel();
}

}  // namespace
}  // namespace tombolo::testing
