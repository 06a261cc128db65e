#include "fibers/core/run_frame.hpp"

#include "fibers/context/overflow_report.hpp"
#include "fibers/context/signal_stack.hpp"
#include "fibers/core/cancel_status.hpp"
#include "fibers/core/detached_record.hpp"
#include "fibers/core/hooks.hpp"
#include "fibers/core/runner.hpp"
#include "fibers/type_name.hpp"

#include <tombolo/fibers/errors.hpp>

#include <atomic>
#include <string>
#include <utility>

namespace tombolo::kernel {

namespace {

/// Fills in what the overflow report says about the fiber that runs on this thread. Runs in a signal handler.
bool describe_running_fiber(overflow_subject& subject) noexcept {
    const task_state* task = current_task();
    if (task == nullptr || task->fiber.memory == nullptr) return false;
    const stack& memory = *task->fiber.memory;
    const bool named = task->extras != nullptr && !task->extras->name.empty();
    subject = {
        memory.guard_low(), memory.guard_high(), task->stack_size,
        named ? std::string_view(task->extras->name) : std::string_view(task->operations->type->name())};
    return true;
}

/// Units: bytes between the caller's frame and the end of the stack it runs on, as far as that is a task's.
std::size_t stack_room() noexcept {
    const task_state* task = current_task();
    const auto* here = static_cast<const std::byte*>(__builtin_frame_address(0));
    if (task == nullptr || task->fiber.memory == nullptr || here < task->fiber.memory->base ||
        here > task->fiber.memory->top)
        return SIZE_MAX;
    return static_cast<std::size_t>(here - task->fiber.memory->base);
}

void apply(const run_options& options, run_state& run, clock& default_clock) {
    static std::atomic<std::uint64_t> runs{0};
    run.serial = runs.fetch_add(1, std::memory_order_relaxed) + 1;
    run.clock = options.clock != nullptr ? options.clock : &default_clock;
    run.has_own_clock = options.clock != nullptr;
    run.stack_size = options.stack_size;
    run.strict_groups = options.strict_groups;
    run.detect_deadlock = options.detect_deadlock;
    run.measure_stacks = options.measure_stacks;
    run.spin_before_sleep = options.spin_before_sleep;
    if (options.seed) run.random.emplace(*options.seed);
    run.stacks = &this_thread_stack_pool();
    run.system_variables = this_thread_variables();
    for (const lowlevel::instrument_ref& entry : options.instruments) run.instruments.add(entry);
    hooks::refresh(run);
}

void check(const run_options& options) {
    check_stack_size(options.stack_size);
    if (options.spin_before_sleep < duration::zero())
        throw invalid_duration("run: spin_before_sleep is negative; give zero to sleep at once, or how long to spin");
    for (const lowlevel::instrument_ref& entry : options.instruments)
        if (entry.get() == nullptr)
            throw usage_error("run: one of the instruments is a null pointer; give addresses of instruments");
}

void start_clock(run_state& run) {
    try {
        run.clock->start();
    } catch (...) {
        throw internal_error(
            "tombolo: the run's clock failed to start; nothing has been run", std::current_exception());
    }
}

/// What every thread needs before its first switch.
void prepare_thread() {
    remember_exception_state();
    install_overflow_report(describe_running_fiber);
    measure_stack_room_with(stack_room);
    // Stays for the rest of the thread's life: making one costs as much as the rest of a small run.
    thread_local const signal_stack alternate_stack;
    static_cast<void>(alternate_stack);
}

}  // namespace

void require_no_run(const char* what) {
    // In a forked child the run that is active is the parent's, and does not go on.
    if (this_thread.run != nullptr && !this_thread.run->forked())
        throw nested_run(
            std::string(what) +
            ": a run is active on this thread already; open a nursery in it instead, or start the second run "
            "on a thread of its own");
}

run_frame::run_frame(const run_options& options) : takes_interrupts_(options.take_interrupts) {
    check(options);
    watch_forks();
    prepare_thread();
    apply(options, run_, default_clock_);
}

run_frame::~run_frame() {
    scope_access::uninstall_root(root_scope_);
    leave_behind_detached(run_);
}

void run_frame::start(callable_ref main) {
    start_clock(run_);
    run_.root_scope = &root_scope_;
    scope_access::install_root(root_scope_, run_);
    if (takes_interrupts_) interrupts_.emplace(run_);
    hooks::before_run(run_);
    start_root_task(run_, main);
}

void run_frame::finish() noexcept {
    take_interrupt(run_);
    hooks::after_run(run_);
    interrupts_.reset();
    run_.entries->close();
    run_.stacks->shrink();
}

void run_frame::give_up() noexcept {
    interrupts_.reset();
    run_.entries->close();
}

void run_frame::throw_result() { kernel::throw_result(run_); }

}  // namespace tombolo::kernel
