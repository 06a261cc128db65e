#pragma once

#include <tombolo/base/unique_function.hpp>

namespace tombolo {

class cancel_scope;

namespace kernel {
struct cancel_status;
}  // namespace kernel

namespace lowlevel {

/// Calls a function when the code inside a cancel scope gets cancelled: by cancel(), by its deadline, or from outside of the
/// scope. For whoever passes cancellation on to something that is no task; see scope_stop_source.
///
/// Once, and for good: a shield that is put up later takes nothing back. A deadline counts when the run notices it.
/// Lifetime: immovable; made and destroyed on the thread of the scope's run. The scope may die first.
/// Source: none.
class cancel_watch {
public:
    /// `on_cancel` is called inside the cancel() that does it, as abort functions are, before the constructor returns if the
    /// scope is cancelled already. It must neither block nor throw.
    /// Checkpoint: never. Throws: wrong_thread; usage_error for an empty function.
    cancel_watch(cancel_scope& scope, unique_function<void()> on_cancel);
    cancel_watch(const cancel_watch&) = delete;
    cancel_watch& operator=(const cancel_watch&) = delete;
    ~cancel_watch();

private:
    friend struct kernel::cancel_status;
    void unlink() noexcept;

    // Invariant: *link_ is this watch, or link_ is null: it was called, or the scope is gone.
    unique_function<void()> on_cancel_;
    cancel_watch* next_ = nullptr;
    cancel_watch** link_ = nullptr;
};

}  // namespace lowlevel
}  // namespace tombolo
