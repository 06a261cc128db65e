#pragma once

#include <tombolo/base/intrusive_list.hpp>

namespace tombolo {
class cancel_scope;
namespace lowlevel {
class cancel_watch;
}  // namespace lowlevel
}  // namespace tombolo

namespace tombolo::kernel {

struct task_state;
struct by_status;  // a task among the tasks of its cancel status
struct by_parent;  // a cancel status among its parent's children

/// The plumbing of one entered cancel scope: a node in the tree through which cancellation spreads. Public only because
/// cancel scopes embed it.
///
/// Invariants:
/// 1. `effectively_cancelled` == scope.cancel_called or (not scope.shield and parent is effectively cancelled), whenever no
///    recalculation is under way.
/// 2. A task is in `tasks` of the status of its innermost entered scope, or in none while `task_status::started()` moves it.
/// 3. `parent` is null for the outermost status and, for an instant, for statuses that `started()` moves.
struct cancel_status : list_hook<by_parent> {
    explicit cancel_status(tombolo::cancel_scope& owner) noexcept : scope(owner) {}

    tombolo::cancel_scope& scope;
    cancel_status* parent = nullptr;
    bool effectively_cancelled = false;
    intrusive_list<cancel_status, by_parent> children;
    intrusive_list<task_state, by_status> tasks;
    lowlevel::cancel_watch* watches = nullptr;  ///< to be called when effectively_cancelled becomes true

    void call_watches() noexcept;
    void forget_watches() noexcept;
};

}  // namespace tombolo::kernel
