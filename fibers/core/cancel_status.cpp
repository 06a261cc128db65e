#include "fibers/core/cancel_status.hpp"

#include "fibers/core/delivery.hpp"

#include <utility>
#include <vector>

namespace tombolo::kernel {

std::shared_ptr<const cancel_reason> make_reason(cancel_source source, std::string text, std::string source_task) {
    return std::make_shared<const cancel_reason>(cancel_reason{source, std::move(text), std::move(source_task)});
}

std::shared_ptr<const cancel_reason> reason_of(const cancel_status& status) {
    static const auto unknown = make_reason(cancel_source::unknown);
    const auto& reason = scope_access::reason(status.scope);
    return reason != nullptr ? reason : unknown;
}

void set_status(task_state& task, cancel_status* status) noexcept {
    if (static_cast<list_hook<by_status>&>(task).linked()) intrusive_list<task_state, by_status>::remove(task);
    task.status = status;
    if (status == nullptr) return;
    status->tasks.push_back(task);
    if (status->effectively_cancelled) delivery::attempt(task);
}

void set_parent(cancel_status& status, cancel_status* parent) noexcept {
    if (status.linked()) intrusive_list<cancel_status, by_parent>::remove(status);
    status.parent = parent;
    if (parent != nullptr) parent->children.push_back(status);
}

bool outer_cancel_visible(const cancel_status& status) noexcept {
    return status.parent != nullptr && !scope_access::shield(status.scope) && status.parent->effectively_cancelled;
}

namespace {

void deliver_to_tasks(cancel_status& status) {
    if (status.tasks.empty()) return;
    // A snapshot: an abort function may move tasks about (started(), start_soon, other cancels). None of them can end
    // meanwhile, because nobody runs.
    std::vector<task_state*> snapshot;
    for (task_state& task : status.tasks)
        if (task.wait != nullptr) snapshot.push_back(&task);
    for (task_state* task : snapshot)
        if (task->status == &status) delivery::attempt(*task);
}

}  // namespace

void recalculate(cancel_status& status) {
    std::vector<cancel_status*> to_do{&status};
    std::vector<cancel_status*> watched;
    while (!to_do.empty()) {
        cancel_status& current = *to_do.back();
        to_do.pop_back();
        const bool from_outside = outer_cancel_visible(current);
        const bool cancelled_now = scope_access::cancel_called(current.scope) || from_outside;
        if (cancelled_now == current.effectively_cancelled) continue;
        current.effectively_cancelled = cancelled_now;
        if (cancelled_now) {
            auto& reason = scope_access::reason(current.scope);
            if (reason == nullptr && current.parent != nullptr) reason = scope_access::reason(current.parent->scope);
        }
        for (cancel_status& child : current.children) to_do.push_back(&child);
        if (cancelled_now && current.watches != nullptr) watched.push_back(&current);
        if (cancelled_now) deliver_to_tasks(current);
    }
    // At the end, when the tree is in order again: they may cancel something else.
    for (cancel_status* each : watched) each->call_watches();
}

}  // namespace tombolo::kernel
