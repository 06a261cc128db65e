#pragma once

#include <iosfwd>
#include <string>

namespace tombolo::lowlevel {

/// Prints every task of the current run as a tree of tasks and nurseries: name, id, state, where it is parked, the deadlines
/// and cancellations of the scopes it is in.
/// Checkpoint: never. Throws: not_in_run.
void dump_tasks(std::ostream& out);

/// The same, as text. Checkpoint: never. Throws: not_in_run.
std::string task_tree();

}  // namespace tombolo::lowlevel
