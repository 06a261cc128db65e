#include "fibers/core/entry_task.hpp"

#include "fibers/core/delivery.hpp"
#include "fibers/core/run_context.hpp"

#include <tombolo/fibers/checkpoint.hpp>
#include <tombolo/fibers/exception_group.hpp>
#include <tombolo/fibers/park.hpp>
#include <tombolo/fibers/system_task.hpp>

#include <exception>
#include <utility>

namespace tombolo::kernel {

namespace {

/// A job that threw becomes a system task that throws, so that the jobs behind it still run. When there is no nursery for
/// it any more, the run is told directly.
void fail_run(run_state& run, std::exception_ptr error) noexcept {
    if (run.system_nursery == nullptr || run.system_nursery->closed())
        return crash(run, "a run_sync_soon callback threw " + describe(error), std::move(error));
    const auto rethrow = [error] { std::rethrow_exception(error); };
    lowlevel::spawn_system_task(rethrow, {.name = "<run_sync_soon callback that threw>"});
}

void call_jobs(run_state& run) {
    run.entries->run_bounded([&](unique_function<void()>& job) {
        const forbid_parking guard(refusal::callback);
        try {
            job();
        } catch (...) {
            fail_run(run, std::current_exception());
        }
    });
}

void serve(run_state& run) {
    for (;;) {
        call_jobs(run);
        if (run.entries->has_jobs()) {
            checkpoint();
            continue;
        }
        auto abort_fn = [&](const lowlevel::raise_cancel&) {
            run.entry_task = nullptr;
            return lowlevel::abort::succeeded;
        };
        run.entry_task = current_task();
        lowlevel::park<void>(abort_fn, "run_sync_soon");
    }
}

struct entry_body {
    run_state& run;

    void operator()() const {
        // Also after a crash has cancelled everything: tasks that cannot be cancelled may wait for what comes through here.
        run.entry_scope->run([this] { serve(run); });
        // Close first, then call what was accepted before: an accepted job always runs.
        run.entries->close();
        call_jobs(run);
    }
};

}  // namespace

void spawn_entry_task(run_state& run) {
    task& spawned = spawn(*run.entry_nursery, entry_body{run}, {.name = "<run_sync_soon>"});
    adopt_as_system_task(spawned);
}

}  // namespace tombolo::kernel
