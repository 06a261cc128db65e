#include <tombolo/fibers/nursery.hpp>

#include "fibers/core/cancel_status.hpp"
#include "fibers/core/delivery.hpp"
#include "fibers/core/detached_record.hpp"
#include "fibers/core/hooks.hpp"
#include "fibers/core/nursery_access.hpp"
#include "fibers/core/run_context.hpp"
#include "fibers/core/scheduling.hpp"

#include <tombolo/base/scope_exit.hpp>
#include <tombolo/fibers/checkpoint.hpp>
#include <tombolo/fibers/exception_group.hpp>
#include <tombolo/fibers/park.hpp>

#include <string>

namespace tombolo {

namespace {
kernel::task_state& state(task& of) noexcept { return static_cast<kernel::task_state&>(of); }
}  // namespace

namespace kernel {

template <class MakeReason>
void nursery_access::add_error(nursery& to, std::exception_ptr error, MakeReason&& make) {
    to.errors_.push_back(std::move(error));
    scope_access::cancel(to.scope_, [&] { return make(to.errors_.back()); });
}

void nursery_access::child_finished(nursery& of, task_state& child, std::exception_ptr error) noexcept {
    if (error != nullptr)
        add_error(of, std::move(error), [&](const std::exception_ptr& added) {
            const std::string name = child.name();
            return make_reason(cancel_source::nursery, "child task \"" + name + "\" threw " + describe(added), name);
        });
    close_if_done(of);
}

void nursery_access::close_if_done(nursery& of) noexcept {
    if (of.closed_ || of.body_runs_ || of.pending_starts_ != 0 || !of.children_.empty()) return;
    of.closed_ = true;
    if (of.parent_waits_) {
        of.parent_waits_ = false;
        wake(state(*of.parent_));
    }
}

}  // namespace kernel

using kernel::nursery_access;
using kernel::scope_access;

nursery::nursery(const nursery_options& options) {
    kernel::task_state& opener = kernel::require_may_park("open_nursery");
    scope_access::enter(scope_);
    parent_ = &opener;
    strict_ = options.strict_groups.value_or(opener.run->strict_groups);
    opener.nurseries.push_back(*this);
    if (opener.run->attends(kernel::attention_bits::watched)) [[unlikely]]
        kernel::hooks::nursery_entered(*opener.run, *this);
}

nursery::~nursery() {
    TOMBOLO_ASSERT(closed_ && children_.empty(), "a nursery is destroyed only after its children have ended");
}

void nursery::body_failed() noexcept {
    nursery_access::add_error(*this, std::current_exception(), [this](const std::exception_ptr& added) {
        return kernel::make_reason(
            cancel_source::nursery, "the nursery's body threw " + describe(added), parent_->name());
    });
}

void nursery::close() {
    if (kernel::current_task() == nullptr) [[unlikely]]
        kernel::go_home_before_leaving();
    body_runs_ = false;
    nursery_access::close_if_done(*this);
    if (kernel::in_forked_run()) [[unlikely]] {
        if (!closed_) kernel::give_up_forked_run("a nursery with living tasks is left");
    } else if (closed_) {
        lowlevel::cancel_shielded_checkpoint();
    }
    while (!closed_) {
        // Cancellation is not news here: the children inside the cancelled scope report it. An interrupt is ours to keep.
        auto abort_fn = [this](const lowlevel::raise_cancel& raise) {
            if (raise.is_keyboard_interrupt()) {
                const auto interrupt = outcome<>::capture(raise);
                nursery_access::add_error(*this, interrupt.error(), [](const std::exception_ptr&) {
                    return kernel::make_reason(cancel_source::keyboard_interrupt, "the user pressed Ctrl-C");
                });
            }
            return lowlevel::abort::failed;
        };
        parent_waits_ = true;
        try {
            lowlevel::park<void>(abort_fn, "nursery exit");
        } catch (...) {
            // Only a reschedule from outside brings us here; the children still have to end first.
            body_failed();
        }
    }
    intrusive_list<nursery, kernel::by_task>::remove(*this);
    std::exception_ptr error;
    if (!errors_.empty()) [[unlikely]] {
        error = !strict_ && errors_.size() == 1
            ? std::move(errors_.front())
            : make_exception_group("exceptions from a nursery", std::exchange(errors_, {}), !strict_);
        errors_.clear();
    }
    error = scope_access::leave_with(scope_, std::move(error));
    if (kernel::run_state& run = *state(*parent_).run; run.attends(kernel::attention_bits::watched)) [[unlikely]]
        kernel::hooks::nursery_exited(run, *this);
    if (error != nullptr) [[unlikely]]
        std::rethrow_exception(std::move(error));
}

void nursery::throw_body_cancelled() const {
    throw body_cancelled(
        "open_nursery: the nursery's own cancel scope ended the body, so there is no value to return; give a "
        "body that may be cancelled this way a std::optional or a variable outside");
}

std::vector<task*> nursery::child_tasks() const {
    std::vector<task*> children;
    for (task& child : children_) children.push_back(&child);
    return children;
}

namespace kernel {

void require_not_started(bool already_started) {
    if (already_started)
        throw tombolo::already_started(
            "task_status::started: called a second time; call it once, when the task is ready");
}

void nursery_access::move_children(nursery& hidden, nursery& target) {
    cancel_status& old_status = scope_access::status(hidden.scope_);
    cancel_status& new_status = scope_access::status(target.scope_);
    std::vector<task_state*> tasks;
    for (task& child : hidden.children_) tasks.push_back(&state(child));
    for (task_state* child : tasks) {
        child->parent = &target;
        child->eventual_parent = nullptr;
    }
    target.children_.append(hidden.children_);

    std::vector<cancel_status*> statuses;
    while (!old_status.children.empty()) {
        statuses.push_back(&old_status.children.front());
        set_parent(old_status.children.front(), nullptr);
    }
    std::vector<task_state*> direct;
    for (task_state& task : old_status.tasks)
        if (&task != hidden.parent_) direct.push_back(&task);
    for (task_state* task : direct) set_status(*task, nullptr);

    // Joining may call abort functions, which may cancel anything, the hidden nursery included. By now nothing of what moves
    // depends on it.
    for (cancel_status* status : statuses) {
        set_parent(*status, &new_status);
        recalculate(*status);
    }
    for (task_state* task : direct) set_status(*task, &new_status);
    close_if_done(hidden);
}

void move_started(start_record& record) {
    record.started = true;
    // A cancelled start() keeps its child, so that the child's `cancelled` has a scope to end in.
    if (scope_access::status(record.hidden->cancel_scope()).effectively_cancelled) return;
    nursery_access::move_children(*record.hidden, *record.target);
}

void nursery_access::start_in(nursery& target, start_record& record, spawn_ref spawn_child) {
    require_may_park("nursery::start");
    require_same_run(run(target), "nursery::start");
    if (target.closed_)
        throw nursery_closed(
            "nursery::start: the nursery is closed: its body and all its children have ended; start earlier, or "
            "in a nursery that is still open");
    ++target.pending_starts_;
    const scope_exit done([&] {
        --target.pending_starts_;
        close_if_done(target);
    });
    record.target = &target;
    try {
        open_nursery(
            [&](nursery& hidden) {
                record.hidden = &hidden;
                state(spawn_child(hidden)).eventual_parent = &target;
            },
            {.strict_groups = true});
    } catch (const base_exception_group& group) {
        if (group.exceptions().size() == 1) std::rethrow_exception(group.exceptions().front());
        throw internal_error(
            "nursery::start: several tasks failed in the hidden nursery in which a starting child lives; do not "
            "spawn into parent_nursery() before started()",
            std::current_exception());
    }
    if (!record.started)
        throw not_started(
            "nursery::start: the child returned without calling task_status::started(); call it when the task is "
            "ready, or use start_soon");
}

void start_in(nursery& target, start_record& record, spawn_ref spawn_child) {
    nursery_access::start_in(target, record, spawn_child);
}

}  // namespace kernel
}  // namespace tombolo
