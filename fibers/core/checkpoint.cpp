#include <tombolo/fibers/checkpoint.hpp>

#include "fibers/core/delivery.hpp"
#include "fibers/core/interrupts.hpp"
#include "fibers/core/scheduling.hpp"

namespace tombolo {

void kernel::yield_slowly(run_state& run, task_state& self) noexcept {
    if (run.attends(attention_bits::watched)) tell_scheduled(run, self);
    suspend(run, self, advance_to(run, self.next));
}

namespace {
/// Out of line, so that who is not cancelled saves no registers for it.
[[gnu::noinline, gnu::cold]] void attend_to_cancellation(kernel::run_state& run, kernel::task_state& self) {
    // A main task that computes for long and asks here now and then must see an interrupt without a pass in between.
    if (run.entries->wake_up.raised()) kernel::take_interrupt(run);
    if (!kernel::must_interrupt(run, self)) return;
    kernel::yield(run, self);
    ++self.schedule_points;
    if (kernel::must_interrupt(run, self)) kernel::raise_interruption(self);
}
}  // namespace

bool kernel::checkpoint_if_cancelled(const char* what) {
    task_state& self = require_may_park(what);
    run_state& run = *this_thread.run;
    ++self.cancel_points;
    if (!run.entries->wake_up.raised() && !must_interrupt(run, self)) [[likely]]
        return false;
    attend_to_cancellation(run, self);
    return true;
}

#if defined(TOMBOLO_INLINE_CHECKPOINT)

kernel::switch_plan kernel::begin_checkpoint() {
    task_state& self = require_may_park("checkpoint");
    return plan_yield(*this_thread.run, self);
}

void kernel::end_checkpoint() {
    task_state& self = *this_thread.may_park;
    ++self.fiber.owner_count;
    if (must_interrupt(*this_thread.run, self)) [[unlikely]]
        raise_interruption(self);
}

kernel::switch_plan kernel::begin_shielded_checkpoint(const char* what) {
    task_state& self = require_may_park(what);
    ++self.schedule_points;
    return plan_yield(*this_thread.run, self);
}

#else

void kernel::cancel_shielded_checkpoint(const char* what) {
    task_state& self = require_may_park(what);
    ++self.schedule_points;
    yield(*self.run, self);
}

void checkpoint() {
    kernel::task_state& self = kernel::require_may_park("checkpoint");
    kernel::run_state& run = *kernel::this_thread.run;
    kernel::yield(run, self);
    ++self.fiber.owner_count;
    if (kernel::must_interrupt(run, self)) [[unlikely]]
        kernel::raise_interruption(self);
}

#endif

namespace lowlevel {

void checkpoint_if_cancelled() { kernel::checkpoint_if_cancelled("checkpoint_if_cancelled"); }

void cancel_shielded_checkpoint() { kernel::cancel_shielded_checkpoint("cancel_shielded_checkpoint"); }

checkpoint_counts current_checkpoint_counts() {
    const kernel::task_state& self = kernel::require_task("current_checkpoint_counts");
    const std::uint64_t both = self.fiber.owner_count;
    return {both + self.cancel_points, both + self.schedule_points};
}

}  // namespace lowlevel
}  // namespace tombolo
