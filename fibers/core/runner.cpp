#include "fibers/core/runner.hpp"

#include "fibers/core/cancel_status.hpp"
#include "fibers/core/delivery.hpp"
#include "fibers/core/detached_record.hpp"
#include "fibers/core/entry_task.hpp"
#include "fibers/core/nursery_access.hpp"
#include "fibers/core/run_context.hpp"
#include "fibers/core/scheduling.hpp"
#include "fibers/core/spawn.hpp"

#include <tombolo/base/scope_exit.hpp>
#include <tombolo/fibers/errors.hpp>
#include <tombolo/fibers/exception_group.hpp>
#include <tombolo/fibers/system_task.hpp>

#include <string>
#include <utility>

namespace tombolo {

namespace kernel {

namespace {

struct main_body {
    callable_ref main;
    void operator()() const { main(); }
};

/// The root task. Main ends first; then system tasks are cancelled and awaited; the run_sync_soon task is last, because
/// only then can nobody post any more.
struct root_body {
    run_state& run;
    callable_ref main;

    void operator()() const {
        // Also when a nursery is left by an error nobody may find it any more.
        const scope_exit no_entry_nursery([this] { run.entry_nursery = nullptr; });
        cancel_scope entry_scope{{.shield = true}};
        run.entry_scope = &entry_scope;
        open_nursery([&](nursery& entries) {
            run.entry_nursery = &entries;
            const scope_exit no_system_nursery([&] {
                run.system_nursery = nullptr;
                shut_down(entry_scope, "the main task and the system tasks have ended");
            });
            open_nursery([this](nursery& system) {
                run.system_nursery = &system;
                open_nursery([this](nursery& mains) {
                    run.main = &static_cast<task_state&>(spawn(mains, main_body{main}, {.name = "main"}));
                    run.main->variables = run.system_variables;
                    spawn_entry_task(run);
                });
                shut_down(system.cancel_scope(), "the main task has ended, system tasks are cancelled");
            });
        });
    }

    static void shut_down(cancel_scope& which, const char* why) {
        scope_access::cancel(which, [&] { return make_reason(cancel_source::shutdown, why); });
    }
};

}  // namespace

void start_root_task(run_state& run, callable_ref main) {
    root_body body{run, main};
    const auto place = [](void* room, void* context) -> void* {
        return ::new (room) root_body(*static_cast<root_body*>(context));
    };
    task_state& root = spawn_root(run, body_operations_for<root_body>, place, &body);
    run.root = &root;
    root.own_extras().name = "<root>";
    root.interrupt_protected = true;
    root.variables = run.system_variables;
    set_status(root, &scope_access::status(*run.root_scope));
    make_runnable(run, root);
}

void throw_result(run_state& run) {
    if (!run.crash_text.empty())
        throw internal_error("tombolo: " + run.crash_text + "; all tasks were cancelled", run.crash);
    if (run.deadlocked) throw deadlock(run.deadlock_text);
    if (run.root_error != nullptr)
        throw internal_error("tombolo: a system task failed: " + describe(run.root_error), run.root_error);
    if (run.attends(attention_bits::interrupt)) throw keyboard_interrupt(run.main_error);
    if (run.main_error != nullptr) std::rethrow_exception(std::exchange(run.main_error, nullptr));
}

nursery& system_nursery() {
    run_state& run = require_run("spawn_system_task");
    if (run.system_nursery == nullptr)
        throw nursery_closed(
            "spawn_system_task: the run is shutting down (or has not started) and takes no system tasks any "
            "more; spawn them while the main task runs");
    return *run.system_nursery;
}

void run_system_body(callable_ref body) {
    try {
        body();
    } catch (...) {
        const std::exception_ptr error = std::current_exception();
        if (current_task() == nullptr) go_home_before_leaving();
        if (current_task() == nullptr || current_task()->status->effectively_cancelled ||
            strip_cancelled(error).removed == 0)
            throw;
        // Nobody cancelled it: if this passed as a cancellation, the system nursery would swallow a crash.
        throw internal_error("a system task threw `cancelled` although it was not cancelled", error);
    }
}

void adopt_as_system_task(task& spawned) noexcept {
    auto& task = static_cast<task_state&>(spawned);
    task.is_system_task = true;
    task.interrupt_protected = true;
    task.variables = task.run->system_variables;
}

}  // namespace kernel
}  // namespace tombolo
