#include <thread>

#include "test/fibers/thrown.hpp"
#include "test/support/mailbox.hpp"

#include <tombolo/testing/test.hpp>
#include <tombolo/testing/threads.hpp>
#include <tombolo/testing/wait_all_tasks_blocked.hpp>
#include <tombolo/tombolo.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace {

namespace tb = tombolo;
namespace from_thread = tb::from_thread;
using namespace std::chrono_literals;
using tb::lowlevel::current_run_token;
using tb::lowlevel::run_token;
using tb::testing::mailbox;
using tb::testing::text_of;
using tb::testing::thrown_by;
using tb::testing::wait_all_tasks_blocked;
using testing::HasSubstr;

// Also abandoned ones: they give their tokens back when they end.
void wait_until_no_thread_is_left() {
    while (tb::current_default_thread_limiter().borrowed() != 0) tb::checkpoint();
}

const tb::task* this_task() { return &tb::lowlevel::current_task(); }

// case 77: do_in_trio_thread
TOMBOLO_TEST(from_thread, calls_back_into_the_run_and_returns_the_result) {
    const std::thread::id run_thread = std::this_thread::get_id();
    tb::to_thread([&] {
        EXPECT_NE(std::this_thread::get_id(), run_thread);
        EXPECT_EQ(from_thread::run([] { return std::this_thread::get_id(); }), run_thread);
        EXPECT_EQ(from_thread::run_sync([] { return std::this_thread::get_id(); }), run_thread);
        EXPECT_EQ(*from_thread::run([] { return std::make_unique<int>(5); }), 5);
        int local = 0;
        EXPECT_EQ(&from_thread::run_sync([&]() -> int& { return local; }), &local);
        from_thread::run([&] {
            tb::checkpoint();
            ++local;
        });
        EXPECT_EQ(local, 1);
    });
}

TOMBOLO_TEST(from_thread, throws_in_the_thread_what_the_function_throws) {
    tb::to_thread([] {
        EXPECT_THROW(from_thread::run([] { throw std::out_of_range("no"); }), std::out_of_range);
        EXPECT_THROW(from_thread::run_sync([]() -> int { throw std::out_of_range("no"); }), std::out_of_range);
    });
}

TOMBOLO_TEST(from_thread, runs_what_blocks_while_other_tasks_go_on) {
    const tb::time_point start = tb::now();
    tb::to_thread([] { from_thread::run([] { tb::sleep_for(1h); }); });
    EXPECT_EQ(tb::now() - start, 1h);
}

// case 79: from_thread_reuses_task
TOMBOLO_TEST(from_thread, runs_in_the_task_that_waits_for_the_thread) {
    const tb::task* host = this_task();
    tb::to_thread([&] {
        EXPECT_EQ(from_thread::run(this_task), host);
        EXPECT_EQ(from_thread::run_sync(this_task), host);
        EXPECT_EQ(from_thread::run(this_task), host);
    });
    EXPECT_EQ(this_task(), host);
}

// H5
TOMBOLO_TEST(from_thread, runs_in_a_system_task_when_a_token_is_given_or_the_call_may_be_abandoned) {
    const tb::task* host = this_task();
    const run_token token = current_run_token();
    tb::to_thread([&] { EXPECT_NE(from_thread::run(this_task, token), host); });
    tb::to_thread([&] { EXPECT_NE(from_thread::run(this_task), host); }, {.abandon_on_cancel = true});
    tb::to_thread([&] { EXPECT_NE(from_thread::run_sync(this_task, token), host); });
    tb::to_thread([&] { EXPECT_NE(from_thread::run_sync(this_task), host); }, {.abandon_on_cancel = true});
}

TOMBOLO_TEST(from_thread, serves_foreign_threads_that_have_a_token) {
    const run_token token = current_run_token();
    mailbox<int> answer;
    const std::jthread foreign([&] {
        const int slept = from_thread::run(
            [] {
                tb::sleep_for(1s);
                return 1;
            },
            token);
        answer.put(slept + from_thread::run_sync([] { return 2; }, token));
    });
    EXPECT_EQ(tb::to_thread([&] { return answer.get(); }), 3);
}

// H5: in its cancel scopes
TOMBOLO_TEST(from_thread, is_cancelled_with_the_scopes_of_the_waiting_task) {
    // case 79: async_time_bomb
    tb::cancel_scope scope;
    scope.run([&] {
        tb::to_thread([&] {
            from_thread::run([&] {
                scope.cancel("boom");
                tb::fail_after(10s, [] { tb::sleep_forever(); });
            });
            ADD_FAILURE() << "cancelled goes through the thread";
        });
    });
    EXPECT_TRUE(scope.cancelled_caught());
}

TOMBOLO_TEST(from_thread, hands_cancelled_with_its_reason_to_the_thread) {
    std::string reason;
    tb::cancel_scope scope;
    scope.run([&] {
        tb::to_thread([&] {
            try {
                from_thread::run([&] {
                    scope.cancel("boom");
                    tb::checkpoint();
                });
            } catch (const tb::cancelled& c) {
                reason = c.reason();
                throw;
            }
        });
    });
    EXPECT_EQ(reason, "boom");
    EXPECT_TRUE(scope.cancelled_caught());
}

// case 79: from_thread_host_cancelled
TOMBOLO_TEST(from_thread, works_in_a_cancelled_task_as_long_as_it_does_not_block) {
    tb::cancel_scope scope;
    bool thrown = true;
    scope.run([&] {
        tb::to_thread([&] {
            from_thread::run_sync([&] { scope.cancel(); });
            thrown = thrown_by([] { from_thread::run_sync([] {}); }) != nullptr ||
                thrown_by([] { from_thread::run([] {}); }) != nullptr;
        });
    });
    EXPECT_FALSE(thrown);
    EXPECT_FALSE(scope.cancelled_caught());
}

TOMBOLO_TEST(from_thread, is_not_cancelled_with_a_call_that_was_abandoned) {
    struct record {
        mailbox<bool> thrown;
        mailbox<> go;
    };
    const auto shared = std::make_shared<record>();
    for (const bool blocks : {false, true}) {
        tb::cancel_scope scope;
        scope.run([&] {
            tb::to_thread(
                [shared, blocks, &scope] {
                    from_thread::run_sync([&] { scope.cancel(); });
                    shared->thrown.put(thrown_by([&] {
                                           from_thread::run([&] {
                                               if (blocks) tb::checkpoint();
                                           });
                                       }) != nullptr);
                },
                {.abandon_on_cancel = true});
        });
        EXPECT_TRUE(scope.cancelled_caught());
        EXPECT_FALSE(tb::to_thread([&] { return shared->thrown.get(); }));
        wait_until_no_thread_is_left();
    }
}

// case 79: check_cancelled raises in thread; H7
TOMBOLO_TEST(from_thread, tells_a_thread_that_asks_that_its_call_is_cancelled) {
    for (const bool abandon : {false, true}) {
        struct record {
            mailbox<> go;
            mailbox<bool> before, after;
        };
        const auto shared = std::make_shared<record>();
        tb::cancel_scope scope;
        tb::open_nursery([&](tb::nursery& n) {
            n.start_soon([&] {
                scope.run([&] {
                    tb::to_thread(
                        [shared] {
                            shared->before.put(thrown_by(from_thread::check_cancelled) != nullptr);
                            shared->go.get();
                            const auto error = thrown_by(from_thread::check_cancelled);
                            shared->after.put(tb::is_cancelled(error));
                            from_thread::check_cancelled();
                            ADD_FAILURE() << "it throws again and again";
                        },
                        {.abandon_on_cancel = abandon});
                });
            });
            EXPECT_FALSE(tb::to_thread([&] { return shared->before.get(); }));
            scope.cancel("stop");
            shared->go.put();
        });
        EXPECT_TRUE(scope.cancelled_caught());
        EXPECT_TRUE(tb::to_thread([&] { return shared->after.get(); }));
        wait_until_no_thread_is_left();
    }
}

TOMBOLO_TEST(from_thread, tells_of_a_cancel_that_came_while_the_task_served_the_thread) {
    tb::cancel_scope scope;
    bool told = false;
    scope.run([&] {
        tb::to_thread([&] {
            from_thread::check_cancelled();
            from_thread::run_sync([&] { scope.cancel(); });
            told = tb::is_cancelled(thrown_by(from_thread::check_cancelled));
        });
    });
    EXPECT_TRUE(told);
    EXPECT_FALSE(scope.cancelled_caught());
}

// H7: since it last ran
TOMBOLO_TEST(from_thread, forgets_a_cancel_from_which_the_task_was_shielded_since) {
    tb::cancel_scope outer;
    tb::cancel_scope inner;
    mailbox<> cancelled;
    tb::open_nursery([&](tb::nursery& n) {
        n.start_soon([&] {
            outer.run([&] {
                inner.run([&] {
                    tb::to_thread([&] {
                        cancelled.get();
                        EXPECT_TRUE(tb::is_cancelled(thrown_by(from_thread::check_cancelled)));
                        from_thread::run_sync([&] { inner.shield(true); });
                        from_thread::check_cancelled();
                        from_thread::run_sync([&] { inner.shield(false); });
                        EXPECT_TRUE(tb::is_cancelled(thrown_by(from_thread::check_cancelled)));
                    });
                });
            });
        });
        wait_all_tasks_blocked();
        outer.cancel();
        cancelled.put();
    });
}

// H6
TOMBOLO_TEST(from_thread, refuses_to_be_called_in_the_run_itself) {
    const run_token token = current_run_token();
    for (const auto& call : std::vector<std::function<void()>>{
             [] { from_thread::run([] {}); }, [] { from_thread::run_sync([] {}); },
             [&] { from_thread::run([] {}, token); }, [&] { from_thread::run_sync([] {}, token); }}) {
        const std::string text = text_of<tb::wrong_thread>(call);
        EXPECT_THAT(text, HasSubstr("from_thread::run"));
        EXPECT_THAT(text, HasSubstr("call the function directly"));
    }
    EXPECT_THROW(from_thread::check_cancelled(), tb::not_in_run);
}

TEST(from_thread, refuses_foreign_threads_without_a_token) {
    for (const auto& [name, call] : std::vector<std::pair<std::string, std::function<void()>>>{
             {"from_thread::run:", [] { from_thread::run([] {}); }},
             {"from_thread::run_sync:", [] { from_thread::run_sync([] {}); }},
             {"from_thread::check_cancelled:", [] { from_thread::check_cancelled(); }}}) {
        const std::string text = text_of<tb::not_in_run>(call);
        EXPECT_THAT(text, HasSubstr(name));
        EXPECT_THAT(text, HasSubstr("to_thread"));
    }
}

TOMBOLO_TEST(from_thread, knows_its_call_only_while_the_function_runs) {
    tb::to_thread([] {});
    mailbox<std::string> text;
    tb::lowlevel::start_thread_soon(
        [] { return text_of<tb::not_in_run>([] { from_thread::run([] {}); }); },
        [&](tb::outcome<std::string> got) { text.put(std::move(got).value()); });
    EXPECT_THAT(text.get(), HasSubstr("to_thread"));
}

TOMBOLO_TEST(from_thread, forbids_a_synchronous_function_to_block) {
    const run_token token = current_run_token();
    const auto blocks = [] { tb::checkpoint(); };
    tb::to_thread([&] {
        EXPECT_THROW(from_thread::run_sync(blocks), tb::checkpoint_forbidden);
        EXPECT_THROW(from_thread::run_sync(blocks, token), tb::checkpoint_forbidden);
    });
}

// case 77, H6: run finished
TEST(from_thread, says_that_the_run_has_finished) {
    std::optional<run_token> token;
    tb::run([&] { token = current_run_token(); });
    EXPECT_THROW(from_thread::run([] {}, *token), tb::run_finished);
    EXPECT_THROW(from_thread::run_sync([] {}, *token), tb::run_finished);
}

}  // namespace
