#include <tombolo/fibers/cancel_scope.hpp>
#include <tombolo/fibers/checkpoint.hpp>
#include <tombolo/fibers/instrument.hpp>
#include <tombolo/fibers/nursery.hpp>
#include <tombolo/fibers/parking_lot.hpp>
#include <tombolo/fibers/run.hpp>
#include <tombolo/fibers/timeouts.hpp>
#include <tombolo/testing/test.hpp>
#include <tombolo/testing/wait_all_tasks_blocked.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <stdexcept>
#include <string>
#include <vector>

// The hooks that trio does not have.

namespace tombolo::testing {
namespace {

using namespace std::chrono_literals;
using lowlevel::add_instrument;
using lowlevel::remove_instrument;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

/// Writes down the hooks about nurseries and scopes, and wake-ups; each with the task that acts.
struct scope_recorder final : instrument {
    void attached() override { note("attached"); }
    void task_scheduled(task& woken) override { note("wake " + woken.name()); }
    void nursery_entered(nursery&) override { note("open"); }
    void nursery_exited(nursery&) override { note("close"); }
    void scope_entered(cancel_scope& scope) override {
        note("enter");
        EXPECT_TRUE(scope.entered());
    }
    void scope_exited(cancel_scope& scope) override {
        note(scope.cancelled_caught() ? "exit, caught" : "exit");
        EXPECT_FALSE(scope.entered());
    }
    void scope_cancelled(cancel_scope&, const cancel_reason& why) override {
        note("cancel: " + std::string(to_string(why.source)) + (why.reason.empty() ? "" : ", " + why.reason));
    }
    void note(const std::string& what) {
        events.push_back(what);
        actors.push_back(in_task() ? lowlevel::current_task().name() : "");
    }
    std::vector<std::string> events;
    std::vector<std::string> actors;
};

/// Watches the rest of the current task's block.
class watched {
public:
    watched() {
        wait_all_tasks_blocked();  // the run's own tasks have entered their scopes, too
        add_instrument(&recorder_);
    }
    watched(const watched&) = delete;
    watched& operator=(const watched&) = delete;
    ~watched() { remove_instrument(recorder_); }
    const std::vector<std::string>& events() const { return recorder_.events; }
    const std::vector<std::string>& actors() const { return recorder_.actors; }

private:
    scope_recorder recorder_;
};

TOMBOLO_TEST(instrument_scopes, are_told_of_in_the_order_in_which_the_task_passes_them) {
    const watched seen;
    move_on_after(1h, [] { cancel_scope().run([] {}); });
    EXPECT_THAT(seen.events(), ElementsAre("attached", "enter", "enter", "exit", "exit"));
    for (const std::string& actor : seen.actors()) EXPECT_EQ(actor, lowlevel::current_task().name());
}

TOMBOLO_TEST(instrument_scopes, of_nurseries_are_told_of_as_nurseries) {
    const watched seen;
    const std::string self = lowlevel::current_task().name();
    open_nursery([](nursery& n) { n.cancel_scope().cancel("why not"); });
    EXPECT_THAT(
        seen.events(), ElementsAre("attached", "open", "cancel: explicit call, why not", "wake " + self, "close"));
}

TOMBOLO_TEST(instrument_scopes, that_are_cancelled_are_told_of_before_anybody_inside_is_woken) {
    open_nursery([](nursery& n) {
        cancel_scope scope;
        lowlevel::parking_lot lot;
        n.start_soon([&] { scope.run([&] { lot.park(); }); }, {.name = "victim"});
        while (lot.empty()) checkpoint();
        const watched seen;
        scope.cancel("now");
        EXPECT_THAT(seen.events(), ElementsAre("attached", "cancel: explicit call, now", "wake victim"));
        while (scope.entered()) checkpoint();
        EXPECT_EQ(seen.events().back(), "exit, caught");
        EXPECT_EQ(seen.actors().back(), "victim");
    });
}

TOMBOLO_TEST(instrument_scopes, that_end_by_a_deadline_are_cancelled_by_nobody) {
    const watched seen;
    move_on_after(1s, sleep_forever);
    const auto cancel = std::ranges::find(seen.events(), "cancel: deadline");
    ASSERT_NE(cancel, seen.events().end());
    EXPECT_EQ(seen.actors()[static_cast<std::size_t>(cancel - seen.events().begin())], "");
}

TOMBOLO_TEST(instrument_scopes, that_were_cancelled_before_are_entered_and_then_cancelled) {
    const watched seen;
    cancel_scope scope;
    scope.cancel("early");
    EXPECT_THAT(seen.events(), ElementsAre("attached")) << "nobody has entered it";
    scope.run([] {});
    move_on_after(0s, [] {});
    EXPECT_THAT(
        seen.events(),
        ElementsAre("attached", "enter", "cancel: explicit call, early", "exit", "enter", "cancel: deadline", "exit"));
}

TOMBOLO_TEST(instrument_scopes, that_are_left_by_an_error_are_exited) {
    const watched seen;
    EXPECT_THROW(cancel_scope().run([] { throw std::runtime_error("out"); }), std::runtime_error);
    EXPECT_THAT(seen.events(), ElementsAre("attached", "enter", "exit"));
}

TEST(instrument_attached, is_not_told_to_who_is_there_from_the_start) {
    scope_recorder recorder;
    run([] {}, {.instruments = {&recorder}});
    EXPECT_THAT(recorder.events, ::testing::Not(::testing::Contains("attached")));
    EXPECT_THAT(recorder.events, ::testing::Contains("open"));
}

TOMBOLO_TEST(instrument_attached, is_told_once_for_each_time_it_is_added) {
    scope_recorder recorder;
    add_instrument(&recorder);
    add_instrument(&recorder);
    EXPECT_THAT(recorder.events, ElementsAre("attached"));
    remove_instrument(recorder);
    add_instrument(&recorder);
    EXPECT_THAT(recorder.events, ElementsAre("attached", "attached"));
    remove_instrument(recorder);
}

TOMBOLO_TEST(instrument_attached, that_throws_throws_at_the_caller_and_leaves_nothing_installed) {
    struct refusing final : instrument {
        void attached() override { throw std::runtime_error("not now"); }
        void task_scheduled(task&) override { ++seen; }
        int seen = 0;
    } watcher;
    EXPECT_THROW(add_instrument(&watcher), std::runtime_error);
    checkpoint();
    EXPECT_EQ(watcher.seen, 0);
    EXPECT_THROW(remove_instrument(watcher), instrument_not_found);
}

TOMBOLO_TEST(instrument_attached, may_not_block) {
    struct blocking final : instrument {
        void attached() override { checkpoint(); }
    } watcher;
    EXPECT_THROW(add_instrument(&watcher), checkpoint_forbidden);
}

TOMBOLO_TEST(instrument_list, changes_from_inside_of_hooks_disturb_nobody) {
    struct counting final : instrument {
        void task_scheduled(task&) override {
            ++calls;
            if (calls != 1) return;
            for (counting* each : to_add) add_instrument(each);
            for (instrument* each : to_remove) remove_instrument(*each);
        }
        int calls = 0;
        std::vector<counting*> to_add;
        std::vector<instrument*> to_remove;
    };
    counting first;
    counting second;
    counting third;
    counting late;
    first.to_add = {&late};
    first.to_remove = {&first, &second};
    for (counting* each : {&first, &second, &third}) add_instrument(each);
    checkpoint();
    EXPECT_EQ(first.calls, 1);
    EXPECT_EQ(second.calls, 0) << "it was removed before its turn";
    EXPECT_EQ(third.calls, 1);
    EXPECT_EQ(late.calls, 0) << "it came during that hook";
    checkpoint();
    EXPECT_EQ(first.calls, 1);
    EXPECT_EQ(third.calls, 2);
    EXPECT_EQ(late.calls, 1);
    remove_instrument(third);
    remove_instrument(late);
}

TOMBOLO_TEST(task_waiting_in, says_where_a_task_is_parked_and_nothing_else) {
    open_nursery([](nursery& n) {
        n.start_soon([] {
            sleep_for(1s);
            checkpoint();
        });
        task& child = *n.child_tasks().front();
        EXPECT_EQ(child.waiting_in(), nullptr) << "it has not begun";
        wait_all_tasks_blocked();
        EXPECT_STREQ(child.waiting_in(), "sleep_for");
        EXPECT_EQ(lowlevel::current_task().waiting_in(), nullptr);
    });
}

TOMBOLO_TEST(task_label, is_what_the_name_is_made_of) {
    open_nursery([](nursery& n) {
        n.start_soon([] {}, {.name = "with a name"});
        n.start_soon([] {});
        for (task* child : n.child_tasks()) EXPECT_EQ(child->label().to_string(), child->name());
        EXPECT_EQ(n.child_tasks().front()->label().given, "with a name");
        EXPECT_THAT(n.child_tasks().back()->label().given, IsEmpty());
    });
}

}  // namespace
}  // namespace tombolo::testing
