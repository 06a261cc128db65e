#include "fibers/core/delivery.hpp"

#include "fibers/core/cancel_diagnosis.hpp"
#include "fibers/core/cancel_status.hpp"
#include "fibers/core/run_context.hpp"
#include "fibers/core/scheduling.hpp"

#include <tombolo/fibers/exception_group.hpp>

#include <utility>

namespace tombolo {

namespace lowlevel {

void raise_cancel::operator()() const {
    if (interrupted_run_ != nullptr) {
        kernel::consume_interrupt(*interrupted_run_);
        throw keyboard_interrupt();
    }
    kernel::cancelled_access::raise(reason_);
}

}  // namespace lowlevel

namespace kernel {

void consume_interrupt(run_state& run) noexcept { run.attend(attention_bits::interrupt, false); }

void raise_interruption(task_state& task) {
    if (interrupt_due(*task.run, task)) {
        consume_interrupt(*task.run);
        throw keyboard_interrupt();
    }
    std::shared_ptr<const cancel_reason> reason = reason_of(*task.status);
    diagnose_cancel(task, *reason);
    cancelled_access::raise(std::move(reason));
}

lowlevel::raise_cancel delivery::make_cancel(std::shared_ptr<const cancel_reason> reason) noexcept {
    lowlevel::raise_cancel raise;
    raise.reason_ = std::move(reason);
    return raise;
}

lowlevel::raise_cancel delivery::make_interrupt(run_state& run) noexcept {
    lowlevel::raise_cancel raise;
    raise.interrupted_run_ = &run;
    return raise;
}

void delivery::attempt(task_state& task) noexcept {
    wait_record* wait = task.wait;
    // Abort functions may change the poller, which a forked child shares with its parent.
    if (task.run->forked()) [[unlikely]]
        return;
    if (wait == nullptr || wait->abort_fn == nullptr || !must_interrupt(*task.run, task)) return;
    const bool interrupt = interrupt_due(*task.run, task);
    lowlevel::raise_cancel raise = interrupt ? make_interrupt(*task.run) : make_cancel(reason_of(*task.status));
    const auto abort_fn = std::exchange(wait->abort_fn, nullptr);
    lowlevel::abort answer = lowlevel::abort::succeeded;
    std::exception_ptr failure;
    {
        const forbid_parking guard(refusal::abort_function);
        try {
            answer = abort_fn(wait->abort_context, raise);
        } catch (...) {
            failure = std::current_exception();
        }
    }
    if (task.wait != wait) {
        // Rescheduling the task itself is the one reschedule that `failed` owes; after `succeeded` it would be a second one.
        if (failure == nullptr && answer == lowlevel::abort::failed) return;
        crash(
            *task.run,
            "an abort function of task \"" + task.name() +
                "\" rescheduled the task itself; it must answer "
                "abort::succeeded without that, or abort::failed",
            failure);
        return;
    }
    if (failure != nullptr) {
        crash(
            *task.run, "an abort function of task \"" + task.name() + "\" threw (" + describe(failure) + ")", failure);
        wait->error = std::make_exception_ptr(
            internal_error("the abort function of this wait threw; the wait has been given up", std::move(failure)));
        wake(task);
        return;
    }
    if (answer != lowlevel::abort::succeeded) return;
    if (interrupt) {
        consume_interrupt(*task.run);
        wait->interrupted = true;
    } else {
        wait->cancel = take_reason(raise);
    }
    wake(task);
}

void crash(run_state& run, const std::string& text, std::exception_ptr cause) noexcept {
    if (run.crash_text.empty()) {
        run.crash_text = text;
        run.crash = std::move(cause);
    }
    if (run.root != nullptr && run.root_scope != nullptr)
        scope_access::cancel(
            *run.root_scope, [&] { return make_reason(cancel_source::unknown, "internal error: " + run.crash_text); });
}

}  // namespace kernel
}  // namespace tombolo
