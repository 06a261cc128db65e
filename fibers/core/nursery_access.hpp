#pragma once

#include "fibers/core/task_state.hpp"

#include <tombolo/fibers/nursery.hpp>

#include <exception>

namespace tombolo::kernel {

struct start_record;

/// Access to a nursery's plumbing, for the kernel.
struct nursery_access {
    static run_state* run(const nursery& of) noexcept { return static_cast<const task_state&>(*of.parent_).run; }
    static intrusive_list<task, by_nursery>& children(nursery& of) noexcept { return of.children_; }
    static bool has_children(const nursery& of) noexcept { return !of.children_.empty(); }

    /// A child has left the nursery's list: keeps its error, wakes the parent if it was the last.
    static void child_finished(nursery& of, task_state& child, std::exception_ptr error) noexcept;

    /// Adds an error and cancels the nursery's scope; `describe_cause` makes the reason's text if it is the first.
    template <class MakeReason>
    static void add_error(nursery& to, std::exception_ptr error, MakeReason&& make_reason);

    /// Re-establishes invariant 1 of nursery, and wakes the parent when it closes.
    static void close_if_done(nursery& of) noexcept;

    /// The two phases of started(): tasks and cancel statuses leave the hidden nursery, then join the target.
    static void move_children(nursery& hidden, nursery& target);

    static void start_in(nursery& target, start_record& record, spawn_ref spawn_child);
};

}  // namespace tombolo::kernel
