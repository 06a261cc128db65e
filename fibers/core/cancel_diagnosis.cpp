#include "fibers/core/cancel_diagnosis.hpp"

#include "fibers/core/cancel_status.hpp"

#include <cstdio>
#include <exception>
#include <string>
#include <utility>

namespace tombolo::kernel {

namespace {

/// The scope that a `cancelled` of this task will reach if nobody swallows it.
const cancel_scope& absorbing_scope(const task_state& task) noexcept {
    const cancel_status* status = task.status;
    while (outer_cancel_visible(*status)) status = status->parent;
    return status->scope;
}

void say(const task_state& task, const std::string& what, const cancel_reason& reason) {
    std::string text = "tombolo: task \"" + task.name() + "\" " + what + " (cancelled: ";
    text += to_string(reason.source);
    if (!reason.reason.empty()) text += ": " + reason.reason;
    text += ")\n";
    std::fputs(text.c_str(), stderr);
    std::fflush(stderr);
}

void report_throw_from_unwinding(task_state& task, const cancel_reason& reason) {
    // Where the destructor catches it nothing is lost, and a log must not be flooded.
    if (std::exchange(task.warned_of_unwinding, true)) return;
    say(task,
        "is about to throw `cancelled` from a destructor while another exception unwinds the stack: unless the "
        "destructor "
        "catches it, std::terminate ends the program. Put what blocks there into a body that is shielded from "
        "cancellation, "
        "like tombolo::move_on_after(1s, [&] { ... }, {.shield = true})",
        reason);
}

void report_swallowing(const task_state& task, const cancel_reason& reason) {
    say(task,
        "has thrown `cancelled` " + std::to_string(suspicious_cancels) +
            " times in a row, and none of them has reached the cancelled scope: something swallows them, a catch (...) "
            "without `throw;` perhaps, and then every checkpoint throws again. Let `cancelled` pass, or clean up in a "
            "shielded "
            "scope",
        reason);
}

}  // namespace

void diagnose_cancel(task_state& task, const cancel_reason& reason) noexcept {
    ++task.cancels_in_a_row;
    if (task.cancels_in_a_row != suspicious_cancels && std::uncaught_exceptions() == 0) [[likely]]
        return;
    try {
        if (task.cancels_in_a_row == suspicious_cancels) report_swallowing(task, reason);
        const auto uncaught = static_cast<unsigned>(std::uncaught_exceptions());
        if (uncaught > scope_access::uncaught_at_entry(absorbing_scope(task)))
            report_throw_from_unwinding(task, reason);
    } catch (...) {
        // No memory for a text: do without.
    }
}

}  // namespace tombolo::kernel
