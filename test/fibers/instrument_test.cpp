#include <tombolo/fibers/instrument.hpp>

#include "test/fibers/thrown.hpp"

#include <tombolo/fibers/checkpoint.hpp>
#include <tombolo/fibers/nursery.hpp>
#include <tombolo/fibers/park.hpp>
#include <tombolo/fibers/run.hpp>
#include <tombolo/fibers/system_task.hpp>
#include <tombolo/fibers/timeouts.hpp>
#include <tombolo/testing/recording_instrument.hpp>
#include <tombolo/testing/test.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <map>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

namespace tombolo::testing {
namespace {

using namespace std::chrono_literals;
using lowlevel::add_instrument;
using lowlevel::instrument_hook;
using lowlevel::instrument_ref;
using lowlevel::remove_instrument;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using events = std::vector<recorded_event>;

long count_of(const events& all, const std::string& hook) {
    return std::ranges::count(all, hook, &recorded_event::hook);
}

/// Runs `main` with time that jumps, watched by `watchers`.
void run_watched(const std::function<void()>& main, std::vector<instrument_ref> watchers) {
    mock_clock clock{{.autojump_threshold = 0s}};
    run(main, {.clock = &clock, .instruments = std::move(watchers), .detect_deadlock = true});
}

// case 66
TEST(instrument, sees_every_hook_of_a_task_in_order) {
    recording_instrument recorder;
    run_watched(
        [] {
            checkpoint();
            sleep_for(1s);
        },
        {&recorder});
    EXPECT_THAT(
        recorder.of_task("main"),
        ElementsAre(
            "task_spawned", "task_scheduled",
            // the first step, until the checkpoint: it is scheduled again before it stops
            "before_task_step", "task_scheduled", "after_task_step",
            // the second step, until the sleep, and the alarm
            "before_task_step", "after_task_step", "task_scheduled",
            // the last step
            "before_task_step", "task_exited", "after_task_step"));
}

// case 66
TEST(instrument, sees_waits_between_passes_and_never_inside_of_a_step) {
    recording_instrument recorder;
    run_watched(
        [] {
            open_nursery([](nursery& n) {
                for (int i = 0; i < 3; ++i) {
                    n.start_soon([] {
                        checkpoint();
                        sleep_for(1s);
                    });
                }
            });
        },
        {&recorder});
    const std::map<std::string, std::pair<std::string, int>> brackets{
        {"before_io_wait", {"io", 1}},
        {"after_io_wait", {"io", -1}},
        {"before_task_step", {"step", 1}},
        {"after_task_step", {"step", -1}},
    };
    std::map<std::string, int> depth;
    std::string stepping;
    for (const recorded_event& event : recorder.events()) {
        const auto bracket = brackets.find(event.hook);
        if (bracket == brackets.end()) continue;
        depth[bracket->second.first] += bracket->second.second;
        EXPECT_GE(depth["io"], 0);
        EXPECT_GE(depth["step"], 0);
        EXPECT_LE(depth["io"] + depth["step"], 1) << event.hook << " of " << event.task;
        if (event.hook == "before_task_step") stepping = event.task;
        if (event.hook == "after_task_step") {
            EXPECT_EQ(event.task, stepping);
        }
    }
    EXPECT_EQ(depth["io"], 0);
    EXPECT_EQ(depth["step"], 0);
    EXPECT_GT(count_of(recorder.events(), "before_io_wait"), 2);
}

// case 66
TEST(instrument, sees_tasks_take_turns) {
    recording_instrument recorder;
    run_watched(
        [] {
            open_nursery([](nursery& n) {
                for (const char* name : {"a", "b"}) {
                    n.start_soon(
                        [] {
                            for (int i = 0; i < 5; ++i) checkpoint();
                        },
                        {.name = name});
                }
            });
        },
        {&recorder});
    std::string order;
    for (const recorded_event& event : recorder.events())
        if (event.hook == "before_task_step" && event.task.size() == 1) order += event.task;
    ASSERT_EQ(order.size(), 12U);
    for (std::size_t pass = 0; pass < order.size(); pass += 2)
        EXPECT_NE(order[pass], order[pass + 1]) << "each task makes one step in a pass: " << order;
}

// case 67
TEST(instrument, sees_the_run_begin_first_and_end_last_and_every_spawned_task_exit) {
    recording_instrument recorder;
    const auto main = [] {
        lowlevel::spawn_system_task(sleep_forever, {.name = "system"});
        open_nursery([](nursery& n) {
            n.start_soon([] {}, {.name = "returns"});
            n.start_soon(sleep_forever, {.name = "sleeps"});
            n.start_soon([] { throw std::runtime_error("crash"); }, {.name = "crashes"});
        });
    };
    EXPECT_THROW(run_watched(main, {&recorder}), exception_group);
    const events& all = recorder.events();
    EXPECT_EQ(all.front().hook, "before_run");
    EXPECT_EQ(all.back().hook, "after_run");
    EXPECT_EQ(count_of(all, "before_run"), 1);
    EXPECT_EQ(count_of(all, "after_run"), 1);
    std::multiset<std::string> living;
    for (const recorded_event& event : all) {
        if (event.hook == "task_spawned") living.insert(event.task);
        if (event.hook == "task_exited" && event.task != "<root>") {  // nobody spawned the root
            ASSERT_TRUE(living.contains(event.task)) << event.task;
            living.erase(living.find(event.task));
        }
    }
    EXPECT_THAT(living, IsEmpty());
    for (const char* name : {"main", "system", "returns", "sleeps", "crashes"})
        EXPECT_EQ(recorder.of_task(name).back(), "after_task_step") << name;
}

/// Calls a function in the hook that it is for.
struct hook_caller final : instrument {
    using call = std::function<void(const char* hook)>;
    explicit hook_caller(call called) : called(std::move(called)) {}
    void before_run() override { called("before_run"); }
    void after_run() override { called("after_run"); }
    void task_spawned(task&) override { called("task_spawned"); }
    void task_scheduled(task&) override { called("task_scheduled"); }
    void before_task_step(task&) override { called("before_task_step"); }
    void after_task_step(task&) override { called("after_task_step"); }
    void task_exited(task&) override { called("task_exited"); }
    void before_io_wait(duration) override { called("before_io_wait"); }
    void after_io_wait(duration) override { called("after_io_wait"); }
    call called;
};

TEST(instrument, has_a_current_task_exactly_in_the_hooks_about_its_steps) {
    std::set<std::string> in_task_hooks;
    std::set<std::string> outside_hooks;
    hook_caller watcher([&](const char* hook) {
        EXPECT_TRUE(in_run()) << hook;
        (in_task() ? in_task_hooks : outside_hooks).insert(hook);
    });
    run_watched([] { sleep_for(1s); }, {&watcher});
    for (const char* hook : {"before_task_step", "after_task_step", "task_exited"}) {
        EXPECT_TRUE(in_task_hooks.contains(hook)) << hook;
        EXPECT_FALSE(outside_hooks.contains(hook)) << hook;
    }
    for (const char* hook : {"before_run", "after_run", "before_io_wait", "after_io_wait"}) {
        EXPECT_TRUE(outside_hooks.contains(hook)) << hook;
        EXPECT_FALSE(in_task_hooks.contains(hook)) << hook;
    }
}

TEST(instrument, the_current_task_in_a_step_hook_is_the_one_it_is_about) {
    struct comparing final : instrument {
        void before_task_step(task& which) override { compare(which); }
        void after_task_step(task& which) override { compare(which); }
        void task_exited(task& which) override { compare(which); }
        void compare(task& which) {
            EXPECT_EQ(&lowlevel::current_task(), &which);
            ++compared;
        }
        int compared = 0;
    } watcher;
    run_watched(
        [] {
            open_nursery([](nursery& n) {
                n.start_soon([] { checkpoint(); });
                n.start_soon([] { checkpoint(); });
            });
        },
        {&watcher});
    EXPECT_GT(watcher.compared, 10);
}

TEST(instrument, is_told_how_long_the_run_means_to_wait) {
    struct waits final : instrument {
        void before_io_wait(duration longest) override { before.push_back(longest); }
        void after_io_wait(duration longest) override { after.push_back(longest); }
        std::vector<duration> before;
        std::vector<duration> after;
    } watcher;
    run_watched([] { sleep_for(1h); }, {&watcher});
    EXPECT_EQ(watcher.before, watcher.after);
    for (const duration longest : watcher.before) EXPECT_EQ(longest, 0s) << "virtual time waits for nobody";
}

/// Runs a small program under an instrument that throws from one hook, beside one that records.
void crash_in(const char* hook) {
    SCOPED_TRACE(hook);
    int calls = 0;
    hook_caller culprit([&](const char* called) {
        calls += hook == std::string(called);
        if (hook == std::string(called)) throw std::runtime_error("bad instrument");
    });
    recording_instrument recorder;
    bool ran = false;
    ::testing::internal::CaptureStderr();
    run_watched(
        [&] {
            open_nursery([](nursery& n) { n.start_soon([] { sleep_for(1s); }); });
            sleep_for(1s);
            ran = true;
        },
        {&culprit, &recorder});
    const std::string report = ::testing::internal::GetCapturedStderr();
    EXPECT_TRUE(ran);
    EXPECT_EQ(calls, 1) << "it was removed";
    EXPECT_THAT(report, AllOf(HasSubstr("bad instrument"), HasSubstr("removed"), HasSubstr("goes on")));
    EXPECT_EQ(std::ranges::count(report, '\n'), 1);
    EXPECT_EQ(recorder.events().front().hook, "before_run") << "the other one stays";
    EXPECT_EQ(recorder.events().back().hook, "after_run");
    EXPECT_GE(count_of(recorder.events(), "task_spawned"), 3);
}

// case 66
TEST(instrument, that_throws_is_reported_and_removed_and_the_run_and_the_others_go_on) {
    for (const char* hook :
         {"before_run", "after_run", "task_spawned", "task_scheduled", "before_task_step", "after_task_step",
          "task_exited", "before_io_wait", "after_io_wait"})
        crash_in(hook);
}

TOMBOLO_TEST(instrument, added_later_watches_from_then_on_and_twice_is_once) {
    recording_instrument recorder;
    add_instrument(&recorder);
    add_instrument(&recorder);
    checkpoint();
    remove_instrument(recorder);
    const std::size_t seen = recorder.events().size();
    checkpoint();
    EXPECT_EQ(recorder.events().size(), seen);
    EXPECT_EQ(count_of(recorder.events(), "task_scheduled"), 1);
    EXPECT_EQ(count_of(recorder.events(), "before_run"), 0);
}

TOMBOLO_TEST(instrument, that_is_not_installed_cannot_be_removed) {
    recording_instrument recorder;
    const auto remove = [&] { remove_instrument(recorder); };
    EXPECT_THAT(
        text_of<instrument_not_found>(remove),
        AllOf(HasSubstr("not installed"), HasSubstr("remove each instrument once")));
    add_instrument(&recorder);
    remove();
    text_of<instrument_not_found>(remove);
}

TEST(instrument, may_remove_itself_and_add_others_from_a_hook) {
    recording_instrument other;
    hook_caller* self = nullptr;
    int calls = 0;
    hook_caller watcher([&](const char*) {
        ++calls;
        remove_instrument(*self);
        add_instrument(&other);
    });
    self = &watcher;
    run_watched([] { sleep_for(1s); }, {&watcher});
    EXPECT_EQ(calls, 1);
    EXPECT_EQ(count_of(other.events(), "before_run"), 0) << "it came during that hook";
    EXPECT_EQ(other.events().back().hook, "after_run");
}

TEST(instrument, may_reschedule_and_cancel_from_a_hook) {
    struct meddler final : instrument {
        void after_io_wait(duration) override {
            if (task* waiter = std::exchange(to_wake, nullptr)) lowlevel::reschedule(*waiter);
            if (cancel_scope* scope = std::exchange(to_cancel, nullptr)) scope->cancel("meddled");
        }
        task* to_wake = nullptr;
        cancel_scope* to_cancel = nullptr;
    } meddler;
    const auto main = [&] {
        open_nursery([&](nursery& n) {
            n.start_soon([] { sleep_for(1h); });  // keeps the run from being a deadlock
            meddler.to_wake = &lowlevel::current_task();
            lowlevel::park([](const lowlevel::raise_cancel&) { return lowlevel::abort::succeeded; });
            cancel_scope scope;
            meddler.to_cancel = &scope;
            scope.run([] { sleep_forever(); });
            EXPECT_TRUE(scope.cancelled_caught());
            EXPECT_EQ(now().time_since_epoch(), 0s);
        });
    };
    run_watched(main, {&meddler});
}

TEST(instrument, costs_only_the_hooks_it_overrides) {
    struct nothing final : instrument {};
    struct two final : instrument {
        void task_spawned(task&) override {}
        void after_run() override {}
    };
    const auto bits = [](instrument_hook hook) { return static_cast<unsigned>(hook); };
    nothing none;
    two some;
    recording_instrument all;
    EXPECT_EQ(instrument_ref(&none).hooks(), 0U);
    EXPECT_EQ(instrument_ref(&some).hooks(), bits(instrument_hook::task_spawned) | bits(instrument_hook::after_run));
    EXPECT_EQ(instrument_ref(&all).hooks(), bits(instrument_hook::attached) - 1) << "those that trio has";
    instrument* plain = &some;
    EXPECT_EQ(instrument_ref(plain).hooks(), bits(instrument_hook::all)) << "a plain pointer does not say";
    EXPECT_EQ(instrument_ref(plain).get(), &some);
}

}  // namespace
}  // namespace tombolo::testing
