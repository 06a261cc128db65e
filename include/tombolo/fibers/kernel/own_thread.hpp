#pragma once

namespace tombolo {

class task;

namespace kernel {

/// For whoever is about to wake a task after changing something: refuses while nothing has changed yet.
/// Throws: wrong_thread unless `sleeper` belongs to the run of this thread; `what` names the caller.
void require_own_thread(const task& sleeper, const char* what);

}  // namespace kernel
}  // namespace tombolo
