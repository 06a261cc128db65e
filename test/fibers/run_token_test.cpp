#include <tombolo/fibers/run_token.hpp>

#include "test/fibers/thrown.hpp"

#include <tombolo/testing/test.hpp>
#include <tombolo/testing/wait_all_tasks_blocked.hpp>
#include <tombolo/tombolo.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <functional>
#include <memory>
#include <numeric>
#include <optional>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace {

namespace tb = tombolo;
using tb::lowlevel::current_run_token;
using tb::lowlevel::run_token;
using tb::testing::sorted_leaves;
using tb::testing::text_of;
using tb::testing::wait_all_tasks_blocked;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

[[noreturn]] void fail(const char* text) { throw std::runtime_error(text); }

std::vector<std::string> leaves_of_crash(const std::function<void()>& main) {
    try {
        tb::run(main);
    } catch (const tb::internal_error& error) {
        return sorted_leaves(error.cause());
    } catch (...) {
        return {"expected an internal_error, got " + tb::describe(std::current_exception())};
    }
    return {"no crash"};
}

static_assert(!std::is_default_constructible_v<run_token> && std::is_copy_constructible_v<run_token>);

// case 45
TOMBOLO_TEST(run_token, is_the_same_all_over_its_run) {
    const run_token token = current_run_token();
    int compared = 0;
    const auto compare = [&] {
        EXPECT_EQ(current_run_token(), token);
        ++compared;
    };
    compare();
    tb::open_nursery([&](tb::nursery& n) { n.start_soon(compare); });
    tb::lowlevel::spawn_system_task(compare);
    token.run_sync_soon(compare);
    wait_all_tasks_blocked();
    EXPECT_EQ(compared, 4);
}

// case 45
TEST(run_token, differs_between_runs) {
    std::vector<run_token> tokens;
    for (int i = 0; i < 3; ++i) {
        tb::run([&] { tokens.push_back(current_run_token()); });
    }
    EXPECT_FALSE(tokens[0] == tokens[1]);
    EXPECT_FALSE(tokens[1] == tokens[2]);
    EXPECT_FALSE(tokens[0] == tokens[2]);
}

// L21
TOMBOLO_TEST(run_token, calls_functions_later_and_first_in_first_out) {
    std::vector<int> called;
    const run_token token = current_run_token();
    for (int i = 0; i < 100; ++i) {
        token.run_sync_soon([&called, i] { called.push_back(i); });
    }
    EXPECT_THAT(called, ElementsAre());
    wait_all_tasks_blocked();
    std::vector<int> expected(100);
    std::iota(expected.begin(), expected.end(), 0);
    EXPECT_EQ(called, expected);
}

// case 46
TOMBOLO_TEST(run_token, drops_a_call_whose_key_is_queued_and_keeps_the_order_of_the_others) {
    std::vector<std::string> called;
    std::array<char, 3> keys{};
    const run_token token = current_run_token();
    const auto post = [&](std::size_t key, std::string name) {
        token.run_sync_soon(
            [&called, name = std::move(name)] { called.push_back(name); }, {.idempotent = &keys.at(key)});
    };
    post(0, "a");
    post(1, "b");
    post(0, "a again");
    post(2, "c");
    post(1, "b again");
    post(2, "c again");
    wait_all_tasks_blocked();
    EXPECT_THAT(called, ElementsAre("a", "b", "c"));
    post(0, "a later");
    wait_all_tasks_blocked();
    EXPECT_THAT(called, ElementsAre("a", "b", "c", "a later"));
}

// case 46
TOMBOLO_TEST(run_token, honours_a_keyed_call_that_queues_itself_again_while_it_runs) {
    int calls = 0;
    const run_token token = current_run_token();
    std::function<void()> again = [&] {
        if (++calls < 3) {
            token.run_sync_soon(again, {.idempotent = &calls});
            token.run_sync_soon(again, {.idempotent = &calls});
        }
    };
    token.run_sync_soon(again, {.idempotent = &calls});
    wait_all_tasks_blocked();
    EXPECT_EQ(calls, 3);
}

// case 46
TEST(run_token, refuses_calls_after_its_run_and_destroys_their_functions) {
    std::optional<run_token> token;
    tb::run([&] { token = current_run_token(); });
    auto owned = std::make_shared<int>(1);
    const std::weak_ptr<int> watched = owned;
    const char key = 0;
    const auto post = [&] { token->run_sync_soon([owned] { ADD_FAILURE() << "called"; }); };
    const auto post_keyed = [&] { token->run_sync_soon([owned] { ADD_FAILURE() << "called"; }, {.idempotent = &key}); };
    EXPECT_THAT(text_of<tb::run_finished>(post), HasSubstr("run has ended"));
    EXPECT_THAT(text_of<tb::run_finished>(post_keyed), HasSubstr("run has ended"));
    owned.reset();
    EXPECT_TRUE(watched.expired());
}

// case 47
TEST(run_token, makes_accepted_calls_even_when_main_has_failed) {
    int calls = 0;
    const char key = 0;
    const auto main = [&] {
        current_run_token().run_sync_soon([&] { ++calls; });
        current_run_token().run_sync_soon([&] { ++calls; }, {.idempotent = &key});
        fail("main's own");
    };
    EXPECT_THROW(tb::run(main), std::runtime_error);
    EXPECT_EQ(calls, 2);
}

// case 47
TEST(run_token, ends_the_run_with_internal_error_when_a_call_throws_and_still_makes_the_others) {
    std::vector<int> called;
    const auto main = [&] {
        const run_token token = current_run_token();
        token.run_sync_soon([&] { called.push_back(1); });
        token.run_sync_soon([] { fail("call"); });
        token.run_sync_soon([&] { called.push_back(2); });
        EXPECT_THROW(tb::sleep_forever(), tb::cancelled);
    };
    EXPECT_THAT(leaves_of_crash(main), ElementsAre("call"));
    EXPECT_THAT(called, ElementsAre(1, 2));
}

TEST(run_token, reports_every_call_that_throws) {
    const auto main = [] {
        const run_token token = current_run_token();
        token.run_sync_soon([] { fail("one"); });
        token.run_sync_soon([] { fail("two"); });
        EXPECT_THROW(tb::sleep_forever(), tb::cancelled);
    };
    EXPECT_THAT(leaves_of_crash(main), ElementsAre("one", "two"));
}

// A call that queues itself until the run refuses it: then it is making the last calls of all.
class last_call {
public:
    explicit last_call(std::function<void()> when_refused)
        : token_(current_run_token()), when_refused_(std::move(when_refused)) {}

    void operator()() {
        ++calls;
        try {
            token_.run_sync_soon([this] { (*this)(); });
        } catch (const tb::run_finished&) {
            refused = true;
            when_refused_();
        }
    }

    int calls = 0;
    bool refused = false;

private:
    run_token token_;
    std::function<void()> when_refused_;
};

// case 47
TEST(run_token, ends_the_run_with_internal_error_when_the_last_call_of_all_throws) {
    std::optional<last_call> call;
    const auto main = [&] {
        call.emplace([] { fail("late"); });
        (*call)();
    };
    EXPECT_THAT(leaves_of_crash(main), ElementsAre("late"));
    EXPECT_TRUE(call->refused);
}

// case 48
TEST(run_token, lets_tasks_run_beside_a_call_that_queues_itself_for_ever) {
    std::optional<last_call> call;
    tb::run([&] {
        call.emplace([] {});
        (*call)();
        tb::open_nursery([](tb::nursery& n) {
            n.start_soon([] {
                for (int i = 0; i < 100; ++i) {
                    tb::lowlevel::cancel_shielded_checkpoint();
                }
            });
        });
    });
    EXPECT_TRUE(call->refused);
    EXPECT_GT(call->calls, 1);
}

// L22
TEST(run_token, makes_in_one_pass_only_the_calls_that_were_queued_at_its_start) {
    std::optional<last_call> call;
    const auto main = [&] {
        call.emplace([] {});
        (*call)();
        for (int i = 0; i < 50; ++i) {
            const int before = call->calls;
            tb::lowlevel::cancel_shielded_checkpoint();
            // The task that makes the calls has one turn in a pass, as this one has; two can fall between two of ours.
            EXPECT_LE(call->calls - before, 2);
        }
        EXPECT_GT(call->calls, 20);
    };
    tb::run(main);
    for (std::uint64_t seed = 0; seed < 5; ++seed) {
        tb::run(main, {.seed = seed});
    }
}

TOMBOLO_TEST(run_token, wakes_a_task_from_a_call) {
    tb::lowlevel::parking_lot lot;
    bool woken = false;
    tb::open_nursery([&](tb::nursery& n) {
        n.start_soon([&] {
            lot.park();
            woken = true;
        });
        wait_all_tasks_blocked();
        current_run_token().run_sync_soon([&] { lot.unpark_all(); });
    });
    EXPECT_TRUE(woken);
}

TOMBOLO_TEST(run_token, destroys_a_function_soon_after_its_call) {
    auto owned = std::make_shared<int>(1);
    const std::weak_ptr<int> watched = owned;
    const char key = 0;
    current_run_token().run_sync_soon([owned] {});
    current_run_token().run_sync_soon([owned = std::move(owned)] {}, {.idempotent = &key});
    EXPECT_FALSE(watched.expired());
    wait_all_tasks_blocked();
    EXPECT_TRUE(watched.expired());
}

TOMBOLO_TEST(run_token, refuses_an_empty_function) {
    const auto post = [] { current_run_token().run_sync_soon(tb::unique_function<void()>()); };
    EXPECT_THAT(text_of<tb::usage_error>(post), HasSubstr("something to call"));
}

TOMBOLO_TEST(run_token, takes_a_function_that_cannot_be_copied) {
    int seen = 0;
    current_run_token().run_sync_soon([number = std::make_unique<int>(7), &seen] { seen = *number; });
    wait_all_tasks_blocked();
    EXPECT_EQ(seen, 7);
}

}  // namespace
