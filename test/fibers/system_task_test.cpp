#include <tombolo/fibers/system_task.hpp>

#include "test/fibers/thrown.hpp"

#include <tombolo/testing/test.hpp>
#include <tombolo/testing/wait_all_tasks_blocked.hpp>
#include <tombolo/tombolo.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <exception>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

namespace tb = tombolo;
using namespace std::chrono_literals;
using tb::lowlevel::spawn_system_task;
using tb::testing::shape;
using tb::testing::sorted_leaves;
using tb::testing::text_of;
using tb::testing::thrown_by;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

[[noreturn]] void fail(const char* text) { throw std::runtime_error(text); }

// The cause of the internal_error that a run of `main` ends with; null, and a failed test, when it ends otherwise.
std::exception_ptr cause_of_crash(const std::function<void()>& main) {
    try {
        tb::run(main, {.detect_deadlock = true});
        ADD_FAILURE() << "the run ended well";
    } catch (const tb::internal_error& error) {
        EXPECT_NE(error.cause(), nullptr);
        return error.cause();
    } catch (...) {
        ADD_FAILURE() << "expected an internal_error, got " << tb::describe(std::current_exception());
    }
    return nullptr;
}

// case 13
TEST(system_task, an_error_out_of_one_cancels_main_and_ends_the_run_with_internal_error) {
    bool main_cancelled = false;
    const auto cause = cause_of_crash([&] {
        spawn_system_task([] { fail("crash"); }, {.name = "the culprit"});
        try {
            tb::sleep_forever();
        } catch (const tb::cancelled& cancel) {
            main_cancelled = true;
            EXPECT_EQ(cancel.source(), tb::cancel_source::nursery);
            EXPECT_EQ(cancel.source_task(), "the culprit");
            throw;
        }
    });
    EXPECT_TRUE(main_cancelled);
    EXPECT_THAT(sorted_leaves(cause), ElementsAre("crash"));
    EXPECT_EQ(tb::run([] { return 1; }), 1);
}

// case 13
TEST(system_task, a_group_out_of_one_is_the_cause_with_all_its_errors) {
    const auto cause = cause_of_crash([] {
        spawn_system_task([] {
            tb::open_nursery([](tb::nursery& n) {
                n.start_soon([] { fail("one"); });
                n.start_soon([] { fail("two"); });
            });
        });
        tb::sleep_forever();
    });
    EXPECT_THAT(sorted_leaves(cause), ElementsAre("one", "two"));
}

// case 13
TEST(system_task, a_crash_beside_cancelled_keeps_the_crash_only) {
    const auto cause = cause_of_crash([] {
        spawn_system_task([] {
            tb::open_nursery([](tb::nursery& n) {
                n.start_soon([] {
                    try {
                        tb::sleep_forever();
                    } catch (const tb::cancelled&) {
                        fail("crash in cleanup");
                    }
                });
                n.start_soon([] { tb::sleep_forever(); });
            });
        });
        // The crash happens when main has ended and its system task is cancelled.
        tb::checkpoint();
        tb::checkpoint();
    });
    EXPECT_THAT(sorted_leaves(cause), ElementsAre("crash in cleanup"));
}

// A cancelled that outlived its scope: foul play, but possible.
std::exception_ptr stale_cancelled() {
    std::exception_ptr stale;
    tb::cancel_scope scope;
    scope.cancel("long ago");
    scope.run([&] { stale = thrown_by([] { tb::checkpoint(); }); });
    return stale;
}

// case 13
TEST(system_task, a_cancelled_that_nobody_asked_for_counts_as_a_crash) {
    const auto cause = cause_of_crash([] {
        spawn_system_task([stale = stale_cancelled()] { std::rethrow_exception(stale); });
        tb::sleep_forever();
    });
    EXPECT_THAT(tb::describe(cause), HasSubstr("cancelled"));
}

// case 13
TEST(system_task, a_group_of_cancelled_that_nobody_asked_for_counts_as_a_crash) {
    const auto cause = cause_of_crash([] {
        spawn_system_task(
            [stale = stale_cancelled()] { std::rethrow_exception(tb::make_exception_group("stale", {stale})); });
        tb::sleep_forever();
    });
    EXPECT_THAT(tb::describe(cause), HasSubstr("cancelled"));
}

// case 13
TEST(system_task, a_keyboard_interrupt_out_of_one_counts_as_a_crash) {
    const auto cause = cause_of_crash([] {
        spawn_system_task([] { throw tb::keyboard_interrupt(); });
        tb::sleep_forever();
    });
    EXPECT_THAT(tb::describe(cause), HasSubstr("keyboard interrupt"));
}

TEST(system_task, a_crash_outranks_the_error_of_main) {
    const auto cause = cause_of_crash([] {
        spawn_system_task([] { fail("crash"); });
        try {
            tb::sleep_forever();
        } catch (const tb::cancelled&) {
            fail("main's own");
        }
    });
    EXPECT_THAT(sorted_leaves(cause), Contains("crash"));
}

// L19
TEST(system_task, one_is_cancelled_when_main_has_ended_and_may_clean_up_at_length) {
    std::vector<std::string> log;
    const auto serve = [&] {
        try {
            tb::sleep_forever();
        } catch (const tb::cancelled& cancel) {
            EXPECT_EQ(cancel.source(), tb::cancel_source::shutdown);
            EXPECT_THAT(cancel.reason(), HasSubstr("main task has ended"));
            log.emplace_back("cancelled");
            tb::cancel_scope cleanup{{.shield = true}};
            cleanup.run([] {
                for (int i = 0; i < 10; ++i) {
                    tb::checkpoint();
                }
            });
            log.emplace_back("cleaned up");
            throw;
        }
    };
    tb::run([&] {
        spawn_system_task(serve);
        tb::checkpoint();
        tb::checkpoint();
        log.emplace_back("main ends");
    });
    EXPECT_THAT(log, ElementsAre("main ends", "cancelled", "cleaned up"));
}

struct after_run_logger final : tb::instrument {
    explicit after_run_logger(std::vector<std::string>& to) : log(to) {}
    void after_run() override { log.emplace_back("after_run"); }
    std::vector<std::string>& log;
};

// R9
TEST(system_task, the_run_shuts_down_from_main_to_system_tasks_to_accepted_calls_to_instruments) {
    std::vector<std::string> log;
    after_run_logger watcher(log);
    const auto serve = [&] {
        try {
            tb::sleep_forever();
        } catch (const tb::cancelled&) {
            tb::lowlevel::current_run_token().run_sync_soon([&] { log.emplace_back("accepted call"); });
            log.emplace_back("system task ends");
            throw;
        }
    };
    const auto main = [&] {
        spawn_system_task(serve);
        tb::checkpoint();
        tb::checkpoint();
        log.emplace_back("main ends");
    };
    tb::run(main, {.instruments = {&watcher}});
    EXPECT_THAT(log, ElementsAre("main ends", "system task ends", "accepted call", "after_run"));
}

// L19
TEST(system_task, one_that_is_spawned_during_the_shutdown_starts_cancelled) {
    bool late_started = false;
    bool late_cancelled = false;
    const auto late = [&] {
        late_started = true;
        late_cancelled = tb::is_cancelled(thrown_by([] { tb::checkpoint(); }));
    };
    const auto serve = [&] {
        try {
            tb::sleep_forever();
        } catch (const tb::cancelled&) {
            spawn_system_task(late);
            throw;
        }
    };
    tb::run([&] {
        spawn_system_task(serve);
        tb::checkpoint();
        tb::checkpoint();
    });
    EXPECT_TRUE(late_started);
    EXPECT_TRUE(late_cancelled);
}

// A call that queues itself until the run refuses it: its last turn comes when everything else has ended.
class last_call {
public:
    explicit last_call(std::function<void()> when_refused)
        : token_(tb::lowlevel::current_run_token()), when_refused_(std::move(when_refused)) {}

    void operator()() {
        try {
            token_.run_sync_soon([this] { (*this)(); });
        } catch (const tb::run_finished&) {
            when_refused_();
        }
    }

private:
    tb::lowlevel::run_token token_;
    std::function<void()> when_refused_;
};

// L19
TEST(system_task, none_is_taken_any_more_when_the_system_tasks_have_ended) {
    std::optional<last_call> call;
    bool refused = false;
    tb::run([&] {
        call.emplace([&] {
            const auto spawn = [] { spawn_system_task([] { ADD_FAILURE() << "the task ran"; }); };
            EXPECT_THAT(text_of<tb::nursery_closed>(spawn), HasSubstr("while the main task runs"));
            refused = true;
        });
        (*call)();
    });
    EXPECT_TRUE(refused);
}

// L19
TEST(system_task, none_is_taken_any_more_when_a_crash_has_ended_the_system_tasks) {
    std::optional<last_call> call;
    bool refused = false;
    const auto cause = cause_of_crash([&] {
        call.emplace([&] {
            const auto spawn = [] { spawn_system_task([] { ADD_FAILURE() << "the task ran"; }); };
            EXPECT_THAT(text_of<tb::nursery_closed>(spawn), HasSubstr("while the main task runs"));
            refused = true;
        });
        (*call)();
        spawn_system_task([] { fail("crash"); });
        tb::sleep_forever();
    });
    EXPECT_TRUE(refused);
    EXPECT_THAT(sorted_leaves(cause), ElementsAre("crash"));
}

// C-14
TEST(system_task, a_crash_and_a_last_call_that_throws_end_the_run_with_internal_error) {
    std::optional<last_call> call;
    bool refused = false;
    const auto cause = cause_of_crash([&] {
        call.emplace([&] {
            refused = true;
            fail("late call");
        });
        (*call)();
        spawn_system_task([] { fail("crash"); });
        tb::sleep_forever();
    });
    EXPECT_TRUE(refused);
    EXPECT_THAT(sorted_leaves(cause), ::testing::IsSubsetOf({"crash", "late call"}));
}

TOMBOLO_TEST(system_task, one_lives_beside_main_and_bears_its_name) {
    tb::task& spawned = spawn_system_task([] { tb::sleep_forever(); }, {.name = "beside", .stack_size = 1 << 20});
    EXPECT_EQ(spawned.name(), "beside");
    EXPECT_EQ(spawned.stack_size(), std::size_t{1} << 20);
    EXPECT_EQ(&spawned.parent_nursery()->parent_task(), &tb::lowlevel::current_root_task());
    EXPECT_NE(spawned.parent_nursery(), tb::lowlevel::current_task().parent_nursery());
}

TOMBOLO_TEST(system_task, one_is_outside_the_scopes_of_its_spawner) {
    bool ran_to_the_end = false;
    tb::cancel_scope scope;
    scope.cancel();
    scope.run([&] {
        spawn_system_task([&] {
            tb::checkpoint();
            EXPECT_EQ(tb::current_effective_deadline(), tb::time_point::max());
            ran_to_the_end = true;
        });
    });
    tb::testing::wait_all_tasks_blocked();
    EXPECT_TRUE(ran_to_the_end);
}

TOMBOLO_TEST(system_task, none_is_spawned_with_a_bad_stack_size) {
    const auto before = tb::lowlevel::current_statistics().tasks_living;
    const auto spawn = [] { spawn_system_task([] { ADD_FAILURE() << "the task ran"; }, {.stack_size = 100}); };
    EXPECT_THAT(text_of<tb::invalid_stack_size>(spawn), HasSubstr("100"));
    EXPECT_EQ(tb::lowlevel::current_statistics().tasks_living, before);
}

}  // namespace
