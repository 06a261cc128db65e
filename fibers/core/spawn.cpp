#include "fibers/core/spawn.hpp"

#include "fibers/core/cancel_status.hpp"
#include "fibers/core/delivery.hpp"
#include "fibers/core/detached_record.hpp"
#include "fibers/core/hooks.hpp"
#include "fibers/core/nursery_access.hpp"
#include "fibers/core/run_context.hpp"
#include "fibers/core/scheduling.hpp"

#include <tombolo/fibers/exception_group.hpp>

#include <string>
#include <utility>

namespace tombolo::kernel {

namespace {

bool is_detached(const task_state& task) noexcept { return task.extras != nullptr && task.extras->detached != nullptr; }

task_state& state_before(void* body) noexcept { return *(static_cast<task_state*>(body) - 1); }

[[noreturn, gnu::cold]] void give_up_at_the_end_of(const task_state& task, const std::exception_ptr& error) {
    give_up_forked_run(
        "task \"" + task.name() + "\" has ended" + (error != nullptr ? " by " + describe(error) : std::string()));
}

/// The body and the end of a task, on its own stack. The record is gone afterwards.
[[gnu::noinline]] void run_to_its_end(task_state& task) noexcept {
    std::exception_ptr error;
    try {
        task.operations->invoke(task.body());
    } catch (...) {
        error = std::current_exception();
    }
    if (in_forked_run()) [[unlikely]]
        give_up_at_the_end_of(task, error);
    if (is_detached(task)) [[unlikely]]
        end_detached(task, error);
    task.operations->destroy(task.body());
    retire(task, std::move(error));
}

/// The task at `link`, if it can begin right here, on a stack whose task has just ended.
task_state* fresh_task_for(run_state& run, run_link* link, const stack& memory) noexcept {
    if (run.queue.at_mark(link) || run.attends(attention_bits::stepwise) || run.measure_stacks) return nullptr;
    task_state& task = task_of(*link);
    return !has_started(task.fiber) && task.stack_size == memory.owner->stack_size() ? &task : nullptr;
}

/// What runs on every stack: tasks, one after the other, as long as the next one is unstarted and of this stack's size.
void run_tasks(fiber&) {
    stack& memory = *current_task()->fiber.memory;
    run_state& run = *this_thread.run;
    for (;;) {
        run_to_its_end(*current_task());
        run_link* after = run.queue.head();
        if (task_state* next = fresh_task_for(run, after, memory)) {
            run.queue.head(next);
            continue_on(next->fiber, memory);
            enter_task(*next);
            continue;
        }
        // A new stack is prepared before this one is given back: it must not be this one while we stand on it.
        task_state* next = advance_to(run, after);
        run.stacks->release(memory);
        if (next != nullptr) {
            enter_task(*next);
            leave_for_good(next->fiber);
        }
        enter_no_task();
        leave_for_good(run.queue.mark().fiber);
    }
}

void register_task(run_state& run, task_state& task) noexcept {
    task.id = run.next_task_id++;
    ++run.tasks_living;
}

}  // namespace

void throw_empty_function(const char* what) {
    throw usage_error(std::string(what) + ": the function is empty; give it something to call");
}

void* prepare_spawn(nursery& parent, const body_operations& operations, const spawn_options& options) {
    run_state& run = require_run("start_soon");
    if (run.forked()) throw_forked_run("start_soon");
    require_same_run(nursery_access::run(parent), "start_soon");
    if (parent.closed())
        throw nursery_closed(
            "start_soon: the nursery is closed: its body and all its children have ended; spawn earlier, or "
            "into a nursery that is still open");
    if (options.stack_size != 0) check_stack_size(options.stack_size);
    std::unique_ptr<task_extras> extras;
    if (!options.name.empty()) {
        extras = std::make_unique<task_extras>();
        extras->name = options.name;
    }
    auto* task = ::new (run.records.allocate(operations.size)) task_state(run, operations);
    task->extras = std::move(extras);
    task->stack_size = options.stack_size != 0 ? options.stack_size : run.stack_size;
    task->parent = &parent;
    return task->body();
}

task& commit_spawn(void* body) noexcept {
    task_state& task = state_before(body);
    run_state& run = *task.run;
    register_task(run, task);
    nursery& parent = *task.parent;
    nursery_access::children(parent).push_back(task);
    set_status(task, &scope_access::status(parent.cancel_scope()));
    task.variables = current_variables();
    if (run.instruments.any()) [[unlikely]]
        hooks::task_spawned(run, task);
    make_runnable(run, task);
    return task;
}

void abandon_spawn(void* body) noexcept { free_record(state_before(body)); }

task_state& spawn_root(
    run_state& run, const body_operations& operations, void* (*place_body)(void*, void*), void* context) {
    auto* task = ::new (run.records.allocate(operations.size)) task_state(run, operations);
    place_body(task->body(), context);
    task->stack_size = run.stack_size;
    register_task(run, *task);
    return *task;
}

bool prepare_first_step(task_state& task) noexcept {
    run_state& run = *task.run;
    try {
        stack& memory = run.stacks->allocate(task.stack_size);
        if (run.measure_stacks) run.stacks->make_zero(memory);
        prepare_fiber(task.fiber, memory, run_tasks);
        return true;
    } catch (...) {
        std::exception_ptr error = std::current_exception();
        task.operations->destroy(task.body());
        const forbid_parking guard(refusal::outside_task, nullptr);
        retire(task, std::move(error));
        return false;
    }
}

void retire(task_state& task, std::exception_ptr error) noexcept {
    run_state& run = *task.run;
    if (run.measure_stacks && task.fiber.memory != nullptr) {
        const std::size_t used = stack_pool::measure_used(*task.fiber.memory);
        if (used > run.stack_high_water) {
            run.stack_high_water = used;
            run.stack_high_water_task = task.name();
        }
    }
    if (task.answers_for != nullptr) break_lots_of(task);
    set_status(task, nullptr);
    if (run.queue.head() == &task) run.queue.head(task.next);
    run.queue.remove(task);
    --run.tasks_living;
    if (&task == run.main) {
        // The main task's error leaves run() bare; its nursery only has to see it end.
        run.main_error = std::exchange(error, nullptr);
        run.main = nullptr;
    }
    if (run.instruments.any()) [[unlikely]]
        hooks::task_exited(run, task);
    if (task.parent != nullptr) {
        nursery_access::children(*task.parent).remove(task);
        nursery_access::child_finished(*task.parent, task, std::move(error));
    } else {
        run.root_error = std::move(error);
        run.root = nullptr;
    }
    // The code of a detached fiber goes on in the record's body.
    if (is_detached(task)) return;
    if (run.stepped == &task)
        run.stepped_task_exited = true;
    else
        free_record(task);
}

void free_record(task_state& task) noexcept {
    run_state& run = *task.run;
    const std::size_t body_size = task.operations->size;
    task.~task_state();
    run.records.release(&task, body_size);
}

}  // namespace tombolo::kernel
