#pragma once

#include <tombolo/fibers/cancel_scope.hpp>
#include <tombolo/fibers/checkpoint.hpp>
#include <tombolo/fibers/instrument.hpp>
#include <tombolo/fibers/statistics.hpp>
#include <tombolo/fibers/task.hpp>

#include <gtest/gtest.h>

#include <csignal>
#include <functional>
#include <initializer_list>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

// Operations that block, and the moments at which they can be cancelled. A moment is counted in park points: the places
// where the task that makes the call gives up the thread.
namespace tombolo::testing {

/// What happens to the call, and when.
struct interruption {
    enum class kind {
        none,
        before,       ///< its scope is cancelled before the call
        at_park,      ///< ... by a hook at the end of the task's nth step, when the task is parked or runnable
        when_queued,  ///< ... by a hook when the task becomes runnable for the nth time: it may have its result already
        by_task,      ///< ... by another task, in the nth pass
        by_deadline,  ///< ... by its deadline, moved into the past at the end of the nth step
        by_ctrl_c,    ///< not cancelled: SIGINT comes at the end of the nth step
        after         ///< its scope is cancelled when the call has returned
    };
    kind how = kind::none;
    int nth = 0;
};

/// Makes the call of an operation inside a cancel scope of its own and interrupts it as planned. It is an instrument only
/// where the plan needs one, because a run that is watched takes other ways through the kernel.
class attempt : public instrument {
public:
    explicit attempt(interruption plan) noexcept : plan_(plan) {}

    /// True when `call` returned, false when it was cancelled. Anything else that it throws goes on.
    template <class F>
    bool operator()(F&& call) {
        subject_ = &lowlevel::current_task();
        if (plan_.how == interruption::kind::before) scope_.cancel("before the call");
        if (watches()) {
            lowlevel::add_instrument(this);
            lowlevel::cancel_shielded_checkpoint();  // steps are watched from their beginning
        }
        under_way_ = true;
        bool completed = false;
        try {
            completed = scope_.run([&] {
                std::forward<F>(call)();
                under_way_ = false;
                if (plan_.how == interruption::kind::after) scope_.cancel("after the call");
            });
        } catch (...) {
            stop_watching();
            throw;
        }
        stop_watching();
        EXPECT_EQ(scope_.cancelled_caught(), !completed);
        ++(completed ? completed_ : cancelled_);
        return completed;
    }

    /// For the task that cancels in a pass of its own choice.
    bool under_way() const noexcept { return under_way_; }
    void cancel_now() {
        if (!under_way_) return;
        fired_ = true;
        scope_.cancel("by another task");
    }

    bool fired() const noexcept { return fired_; }
    int completed() const noexcept { return completed_; }
    int cancelled() const noexcept { return cancelled_; }

    void after_task_step(task& stepped) override {
        using kind = interruption::kind;
        if (!is_due(
                stepped, plan_.how == kind::at_park || plan_.how == kind::by_deadline || plan_.how == kind::by_ctrl_c))
            return;
        switch (plan_.how) {
        case kind::by_deadline:
            return scope_.deadline(time_point::min());
        case kind::by_ctrl_c:
            static_cast<void>(std::raise(SIGINT));
            return;
        default:
            return scope_.cancel("at a park point");
        }
    }

    void task_scheduled(task& scheduled) override {
        if (is_due(scheduled, plan_.how == interruption::kind::when_queued)) scope_.cancel("when it was queued");
    }

private:
    bool is_due(const task& which, bool is_the_plan) {
        if (!is_the_plan || !under_way_ || &which != subject_ || ++seen_ != plan_.nth) return false;
        fired_ = true;
        return true;
    }

    bool watches() const noexcept {
        using kind = interruption::kind;
        return plan_.how == kind::at_park || plan_.how == kind::when_queued || plan_.how == kind::by_deadline ||
            plan_.how == kind::by_ctrl_c;
    }

    void stop_watching() {
        under_way_ = false;
        if (watches()) lowlevel::remove_instrument(*this);
    }

    interruption plan_;
    cancel_scope scope_;
    const task* subject_ = nullptr;
    bool under_way_ = false;
    bool fired_ = false;
    int seen_ = 0;
    int completed_ = 0;
    int cancelled_ = 0;
};

struct operation {
    std::string name;
    /// False for what a cancellation around it does not end.
    bool can_be_cancelled;
    /// Sets the stage, makes the call through the attempt, and checks the stage: exactly once each.
    std::function<void(attempt&)> main;
};

inline void PrintTo(const operation& printed, std::ostream* out) { *out << printed.name; }

/// Rows of other files, abort_table_<topic>_test.cpp.
inline std::vector<operation>& more_operations() {
    static std::vector<operation> all;
    return all;
}

/// Adds rows to the table before main() begins.
struct operation_rows {
    operation_rows(std::initializer_list<operation> rows) {
        more_operations().insert(more_operations().end(), rows.begin(), rows.end());
    }
};

/// The table, in abort_table_operations_test.cpp; those with nurseries, in abort_table_nurseries_test.cpp.
std::vector<operation> blocking_operations();
std::vector<operation> nursery_operations();

/// Calls `f`, which throws an Error, and lets everything else pass.
template <class Error, class F>
void expect_error(F f) {
    try {
        f();
        ADD_FAILURE() << "expected an error";
    } catch (const Error&) {}
}

/// No descriptor is waited for, and no deadline is set.
inline void expect_no_waits() {
    const lowlevel::run_statistics now = lowlevel::current_statistics();
    EXPECT_EQ(now.io.tasks_waiting_read, 1U);
    EXPECT_EQ(now.io.tasks_waiting_write, 0U);
    EXPECT_EQ(now.time_to_next_deadline, duration::max());
}

inline std::string name_of_operation(const ::testing::TestParamInfo<operation>& tested) { return tested.param.name; }

}  // namespace tombolo::testing
