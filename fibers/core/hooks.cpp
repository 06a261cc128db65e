#include "fibers/core/hooks.hpp"

#include "fibers/core/run_context.hpp"
#include "fibers/core/scheduling.hpp"

#include <tombolo/fibers/errors.hpp>
#include <tombolo/fibers/instrument.hpp>

#include <concepts>
#include <utility>

namespace tombolo {

using lowlevel::instrument_hook;

namespace kernel {

namespace {

/// With `task` (null: none) as the current task.
template <class Call>
void tell_in(run_state& run, task_state* task, instrument_hook hook, Call&& call) noexcept {
    if (!run.instruments.watches(hook)) return;
    const forbid_parking guard(refusal::instrument, task);
    const unsigned before = run.instruments.mask();
    run.instruments.for_each(hook, call);
    if (run.instruments.mask() != before) [[unlikely]]
        hooks::refresh(run);
}

template <class Call>
void tell(run_state& run, instrument_hook hook, Call&& call) noexcept {
    tell_in(run, current_task(), hook, call);
}

constexpr unsigned bits(std::same_as<instrument_hook> auto... hooks) noexcept {
    return (static_cast<unsigned>(hooks) | ...);
}

/// What attention_bits::watched guards: the hooks about what tasks do between their begin and their end.
constexpr unsigned about_conduct = bits(
    instrument_hook::task_scheduled, instrument_hook::before_task_step, instrument_hook::after_task_step,
    instrument_hook::nursery_entered, instrument_hook::nursery_exited, instrument_hook::scope_entered,
    instrument_hook::scope_exited, instrument_hook::scope_cancelled);
constexpr unsigned about_steps = bits(instrument_hook::before_task_step, instrument_hook::after_task_step);
constexpr unsigned about_passes = bits(instrument_hook::before_io_wait, instrument_hook::after_io_wait);

}  // namespace

void tell_scheduled(run_state& run, task_state& task) noexcept {
    tell(run, instrument_hook::task_scheduled, [&](instrument& i) { i.task_scheduled(task); });
}

void rouse(run_state& run) noexcept {
    if (!run.attends(attention_bits::dormant)) return;
    run.attend(attention_bits::dormant, false);
    run.waiter->roused();
}

void attend_to_runnable(run_state& run, task_state& task) noexcept {
    rouse(run);
    if (run.attends(attention_bits::watched)) tell_scheduled(run, task);
}

namespace hooks {

void before_run(run_state& run) noexcept {
    tell_in(run, nullptr, instrument_hook::before_run, [](instrument& i) { i.before_run(); });
}

void after_run(run_state& run) noexcept {
    tell_in(run, nullptr, instrument_hook::after_run, [](instrument& i) { i.after_run(); });
}

void task_spawned(run_state& run, task_state& task) noexcept {
    tell(run, instrument_hook::task_spawned, [&](instrument& i) { i.task_spawned(task); });
}

void before_task_step(run_state& run, task_state& task) noexcept {
    tell_in(run, &task, instrument_hook::before_task_step, [&](instrument& i) { i.before_task_step(task); });
}

void after_task_step(run_state& run, task_state& task) noexcept {
    tell_in(run, &task, instrument_hook::after_task_step, [&](instrument& i) { i.after_task_step(task); });
}

void task_exited(run_state& run, task_state& task) noexcept {
    tell_in(run, &task, instrument_hook::task_exited, [&](instrument& i) { i.task_exited(task); });
}

void before_io_wait(run_state& run, duration timeout) noexcept {
    tell_in(run, nullptr, instrument_hook::before_io_wait, [&](instrument& i) { i.before_io_wait(timeout); });
}

void after_io_wait(run_state& run, duration timeout) noexcept {
    tell_in(run, nullptr, instrument_hook::after_io_wait, [&](instrument& i) { i.after_io_wait(timeout); });
}

void nursery_entered(run_state& run, nursery& opened) noexcept {
    tell(run, instrument_hook::nursery_entered, [&](instrument& i) { i.nursery_entered(opened); });
}

void nursery_exited(run_state& run, nursery& closed) noexcept {
    tell(run, instrument_hook::nursery_exited, [&](instrument& i) { i.nursery_exited(closed); });
}

void scope_entered(run_state& run, cancel_scope& entered) noexcept {
    tell(run, instrument_hook::scope_entered, [&](instrument& i) { i.scope_entered(entered); });
}

void scope_exited(run_state& run, cancel_scope& exited) noexcept {
    tell(run, instrument_hook::scope_exited, [&](instrument& i) { i.scope_exited(exited); });
}

void scope_cancelled(run_state& run, cancel_scope& cancelled_one, const cancel_reason& reason) noexcept {
    tell(run, instrument_hook::scope_cancelled, [&](instrument& i) { i.scope_cancelled(cancelled_one, reason); });
}

void refresh(run_state& run) noexcept {
    const unsigned mask = run.instruments.mask();
    run.attend(attention_bits::stepwise, (mask & about_steps) != 0);
    run.attend(attention_bits::watched, (mask & about_conduct) != 0);
    run.attend(attention_bits::whole_passes, (mask & about_passes) != 0 || run.random.has_value() || run.has_own_clock);
}

}  // namespace hooks
}  // namespace kernel

namespace lowlevel {

void add_instrument(instrument_ref added) {
    kernel::run_state& run = kernel::require_run("add_instrument");
    if (added.get() == nullptr)
        throw usage_error("add_instrument: the instrument is a null pointer; give the address of an instrument");
    if (!run.instruments.add(added)) return;
    kernel::hooks::refresh(run);
    if ((added.hooks() & static_cast<unsigned>(instrument_hook::attached)) == 0) return;
    try {
        const kernel::forbid_parking guard(kernel::refusal::instrument);
        added.get()->attached();
    } catch (...) {
        run.instruments.remove(added.get());
        kernel::hooks::refresh(run);
        throw;
    }
}

void remove_instrument(instrument& removed) {
    kernel::run_state& run = kernel::require_run("remove_instrument");
    if (!run.instruments.remove(&removed))
        throw instrument_not_found(
            "remove_instrument: this instrument is not installed in the run on this thread; remove "
            "each instrument once");
    kernel::hooks::refresh(run);
}

}  // namespace lowlevel
}  // namespace tombolo
