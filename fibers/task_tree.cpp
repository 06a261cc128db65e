#include <tombolo/fibers/task_tree.hpp>

#include "fibers/core/cancel_status.hpp"
#include "fibers/core/run_context.hpp"
#include "fibers/core/run_state.hpp"

#include <chrono>
#include <iomanip>
#include <ostream>
#include <sstream>
#include <string>

namespace tombolo::lowlevel {

namespace {

using kernel::task_state;

const char* phase_of(const task_state& task) {
    if (&task == kernel::current_task()) return "running";
    if (task.wait != nullptr) return "parked in ";
    return task.fiber.memory == nullptr ? "not started" : "runnable";
}

std::string seconds(duration length) {
    std::ostringstream text;
    text << std::setprecision(3) << std::chrono::duration<double>(length).count() << " s";
    return text.str();
}

void print_scope(std::ostream& out, const kernel::cancel_status& status, time_point now) {
    out << "scope";
    if (kernel::scope_access::shield(status.scope)) out << " shielded";
    if (kernel::scope_access::cancel_called(status.scope)) {
        const auto reason = kernel::reason_of(status);
        out << " cancelled (" << to_string(reason->source);
        if (!reason->reason.empty()) out << ": " << reason->reason;
        out << ')';
    } else if (status.effectively_cancelled) {
        out << " cancelled from outside";
    } else if (const time_point deadline = kernel::scope_access::registered_deadline(status.scope);
               deadline != time_point::max()) {
        out << (deadline > now ? " deadline in " : " deadline passed by ")
            << seconds(deadline > now ? saturating_difference(deadline, now) : saturating_difference(now, deadline));
    }
}

bool worth_showing(const kernel::cancel_status& status) {
    return kernel::scope_access::shield(status.scope) || status.effectively_cancelled ||
        kernel::scope_access::registered_deadline(status.scope) != time_point::max();
}

/// The scopes that a task has entered itself, inside the nursery that it lives in.
void print_scopes(std::ostream& out, const task_state& task, time_point now) {
    const kernel::cancel_status* outside =
        task.parent != nullptr ? &kernel::scope_access::status(task.parent->cancel_scope()) : nullptr;
    for (const kernel::cancel_status* status = task.status; status != nullptr && status != outside;
         status = status->parent) {
        if (!worth_showing(*status)) continue;
        out << " [";
        print_scope(out, *status, now);
        out << ']';
    }
}

void print_task(std::ostream& out, const task_state& task, time_point now) {
    out << task.name() << " #" << task.id << ": " << phase_of(task) << (task.wait != nullptr ? task.wait->where : "");
    print_scopes(out, task, now);
    if (task.eventual_parent != nullptr) out << " [starting]";
    if (const std::size_t used = task.stack_used()) out << " [stack " << used << " of " << task.stack_size << " bytes]";
    out << '\n';
}

void print_below(std::ostream& out, const task_state& task, const std::string& indent, time_point now) {
    for (nursery* open : task.child_nurseries()) {
        const kernel::cancel_status& status = kernel::scope_access::status(open->cancel_scope());
        out << indent << "nursery";
        if (worth_showing(status)) {
            out << " [";
            print_scope(out, status, now);
            out << ']';
        }
        out << '\n';
        const auto children = open->child_tasks();
        for (const auto* child : children) {
            const bool last = child == children.back();
            out << indent << (last ? "`-- " : "|-- ");
            print_task(out, static_cast<const task_state&>(*child), now);
            print_below(out, static_cast<const task_state&>(*child), indent + (last ? "    " : "|   "), now);
        }
    }
}

}  // namespace

namespace {
void print_run(std::ostream& out, const kernel::run_state& run) {
    if (run.root == nullptr) return;
    const time_point now = run.clock->now();
    print_task(out, *run.root, now);
    print_below(out, *run.root, "", now);
}
}  // namespace

void dump_tasks(std::ostream& out) { print_run(out, kernel::require_run("dump_tasks")); }

std::string task_tree() {
    std::ostringstream text;
    print_run(text, kernel::require_run("task_tree"));
    return text.str();
}

}  // namespace tombolo::lowlevel
