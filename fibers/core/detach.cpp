#include <tombolo/fibers/detach.hpp>

#include "fibers/core/cancel_status.hpp"
#include "fibers/core/delivery.hpp"
#include "fibers/core/detached_record.hpp"
#include "fibers/core/run_context.hpp"
#include "fibers/core/run_state.hpp"
#include "fibers/core/scheduling.hpp"
#include "fibers/core/spawn.hpp"

#include <tombolo/base/scope_exit.hpp>
#include <tombolo/fibers/errors.hpp>

#include <cstdio>
#include <exception>
#include <string>
#include <utility>

namespace tombolo {

namespace kernel {

namespace {

/// The detached fiber that runs on this thread, innermost; null when none does.
thread_local constinit detached_record* current_detached = nullptr;

using phase = detached_record::phase;

std::shared_ptr<detached_record> make_record(task_state& task) {
    auto record = std::make_shared<detached_record>();
    record->task = &task;
    record->home = &this_thread;
    record->stacks = task.run->stacks;
    task.own_extras().detached = record;
    return record;
}

/// Gives the foreign scheduler its handle.
void hand_over(const std::shared_ptr<detached_record>& record, take_detached& take, const char* what) {
    const forbid_parking guard(refusal::detached);
    take(detached_record::handle(record));
    // The task's own reference, the caller's, and the handle's.
    if (record.use_count() < 3)
        throw usage_error(
            std::string(what) +
            ": `take` dropped the fiber that it was given, so nobody could ever resume it; keep the detached_fiber");
}

/// What a fiber does first when it runs on its run's account again.
void arrive_home(const std::shared_ptr<detached_record>& record) {
    task_state& task = *record->task;
    ++task.fiber.owner_count;
    task.extras->detached = nullptr;
    if (record->dropped)
        throw detached_fiber_dropped(
            "the foreign scheduler destroyed the detached fiber of task \"" + task.name() +
            "\" before it had called reattach(); the task goes on in its run");
}

void require_no_own_scopes(const task_state& task) {
    if (&task == task.run->main || task.parent == nullptr)
        throw usage_error(
            "permanently_detach: the main task is what its run waits for and returns; detach a task that it started");
    if (task.eventual_parent != nullptr)
        throw usage_error(
            "permanently_detach: task \"" + task.name() +
            "\" has not called started() yet, and nursery::start waits for that; call it first");
    if (!task.nurseries.empty() || task.status != &scope_access::status(task.parent->cancel_scope()))
        throw usage_error(
            "permanently_detach: task \"" + task.name() +
            "\" is inside a nursery or a cancel scope that it entered itself and could never leave any more; detach "
            "outside "
            "of them, or use temporarily_detach");
}

std::shared_ptr<detached_store> store_of(run_state& run) {
    if (run.detached == nullptr) {
        run.detached = std::make_shared<detached_store>();
        run.detached->run = &run;
    }
    return run.detached;
}

/// Not so in a run, a guest's call or an abort function that code on a detached fiber has entered.
bool runs_detached() noexcept {
    return current_detached != nullptr && this_thread.why == refusal::detached && current_task() == nullptr;
}

detached_record& require_detached(const char* what) {
    if (!runs_detached())
        throw usage_error(
            std::string(what) +
            ": this is no detached fiber; call it on a stack that a foreign scheduler resumed with "
            "detached_fiber::resume()");
    return *current_detached;
}

/// Back to whoever resumed the fiber. Returns at the next resume, or at home.
void switch_back(detached_record& record) noexcept {
    fiber& resumer = *std::exchange(record.resumer, nullptr);
    current_detached = record.outer;
    switch_fiber(record.task->fiber, resumer);
}

}  // namespace

void detach_for_good(outcome<void> last, take_detached take) {
    task_state& task = require_may_park("permanently_detach");
    require_no_own_scopes(task);
    run_state& run = *task.run;
    const std::shared_ptr<detached_record> record = make_record(task);
    {
        scope_exit undo([&] { task.extras->detached = nullptr; });
        record->for_good = true;
        record->store = store_of(run);
        hand_over(record, take, "permanently_detach");
        undo.release();
    }
    record->state = phase::suspended;
    retire(task, std::move(last).error());
    suspend(run, task, advance_to(run, run.queue.head()));
}

void detach_for_a_while(unique_function<void(lowlevel::raise_cancel)> on_cancel, take_detached take) {
    task_state& task = require_may_park("temporarily_detach");
    if (!on_cancel) throw_empty_function("temporarily_detach");
    const std::shared_ptr<detached_record> record = make_record(task);
    {
        scope_exit undo([&] { task.extras->detached = nullptr; });
        record->on_cancel = std::move(on_cancel);
        record->wait.abort_context = record.get();
        record->wait.waiter = &task;
        record->wait.abort_fn = [](void* context, const lowlevel::raise_cancel& raise) {
            auto& self = *static_cast<detached_record*>(context);
            try {
                self.on_cancel(raise);
            } catch (...) {
                // The wait cannot be given up as others can: the stack is abroad.
                crash(
                    *self.task->run, "the on_cancel of detached task \"" + self.task->name() + "\" threw",
                    std::current_exception());
            }
            return lowlevel::abort::failed;
        };
        hand_over(record, take, "temporarily_detach");
        undo.release();
    }
    record->state = phase::suspended;
    ++task.wait_generation;
    task.wait = &record->wait;
    if (must_interrupt(*task.run, task)) delivery::attempt(task);
    sleep(*task.run, task);
    // Either a foreign scheduler resumed the fiber, or its handle is gone and the run did.
    if (record->dropped) arrive_home(record);
}

namespace {

/// Nothing that needs destroying may be left on the stack: it is reused.
[[noreturn]] void leave_for_ever(detached_record& record) noexcept {
    fiber& resumer = *std::exchange(record.resumer, nullptr);
    current_detached = record.outer;
    leave_for_good(resumer);
}

}  // namespace

void end_detached(task_state& task, std::exception_ptr& error) noexcept {
    detached_record& record = *task.extras->detached;
    record.state = phase::finished;
    if (record.for_good) {
        record.error = std::move(error);
        task.operations->destroy(task.body());
        leave_for_ever(record);
    }
    wake(task);
    switch_back(record);
    task.extras->detached = nullptr;
}

void go_home_before_leaving() noexcept {
    if (!runs_detached() || current_detached->for_good) return;
    const std::shared_ptr<detached_record> record = current_detached->shared_from_this();
    record->state = phase::finished;
    wake(*record->task);
    switch_back(*record);
    ++record->task->fiber.owner_count;
    record->task->extras->detached = nullptr;
}

void leave_behind_detached(run_state& run) noexcept {
    if (run.detached == nullptr) return;
    run.detached->run = nullptr;
    run.detached->left_behind.emplace(std::move(run.records));
}

}  // namespace kernel

namespace lowlevel {

using kernel::detached_record;
using phase = detached_record::phase;

void detached_fiber::resume() {
    if (record_ == nullptr || record_->state == phase::finished)
        throw usage_error("detached_fiber::resume: the fiber has ended or gone home; ask finished() first");
    if (record_->home != &kernel::this_thread)
        throw wrong_thread("detached_fiber::resume: called on another thread than the run's that the fiber comes from; "
                           "fibers never change "
                           "threads");
    if (record_->state != phase::suspended || kernel::current_task() == record_->task)
        throw usage_error("detached_fiber::resume: the fiber is running: `take` has to return first, and a fiber "
                          "cannot resume itself");
    const std::shared_ptr<detached_record> record = record_;
    kernel::task_state& task = *record->task;
    kernel::fiber here;
    record->state = phase::running;
    record->resumer = &here;
    record->outer = std::exchange(kernel::current_detached, record.get());
    {
        const kernel::forbid_parking guard(kernel::refusal::detached, nullptr);
        kernel::switch_fiber(here, task.fiber);
    }
    if (record->state != phase::finished || !record->for_good) return;
    record->stacks->release(*task.fiber.memory);
    // The task's record holds a reference to ours.
    if (record->store->run != nullptr)
        kernel::free_record(task);
    else
        task.~task_state();
    if (record->error != nullptr) std::rethrow_exception(std::exchange(record->error, nullptr));
}

bool detached_fiber::finished() const noexcept { return record_ == nullptr || record_->state == phase::finished; }

void detached_fiber::drop() noexcept {
    if (finished() || record_->state == phase::leaving) return;
    if (record_->for_good || record_->state == phase::running || record_->home != &kernel::this_thread) {
        std::fputs(
            "tombolo: a detached_fiber was destroyed before its end, or on another thread than its own. Nobody can "
            "resume "
            "it any more and its stack cannot be unwound: keep it until finished().\n",
            stderr);
        std::terminate();
    }
    record_->dropped = true;
    record_->state = phase::finished;
    kernel::wake(*record_->task);
}

detached_fiber& detached_fiber::operator=(detached_fiber&& other) noexcept {
    if (this == &other) return *this;
    if (record_ != nullptr) drop();
    record_ = std::move(other.record_);
    return *this;
}

detached_fiber::~detached_fiber() {
    if (record_ != nullptr) drop();
}

void suspend_detached() {
    detached_record& running = kernel::require_detached("suspend_detached");
    const std::shared_ptr<detached_record> record = running.shared_from_this();
    record->state = phase::suspended;
    kernel::switch_back(*record);
    if (record->dropped) kernel::arrive_home(record);
}

void reattach() {
    detached_record& running = kernel::require_detached("reattach");
    if (running.for_good)
        throw usage_error(
            "reattach: this fiber was detached for good, and its task is over; only temporarily_detach can go "
            "home again");
    const std::shared_ptr<detached_record> record = running.shared_from_this();
    record->state = phase::finished;
    kernel::wake(*record->task);
    kernel::switch_back(*record);
    kernel::arrive_home(record);
}

}  // namespace lowlevel
}  // namespace tombolo
