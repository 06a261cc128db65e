#pragma once

#include <cstddef>

namespace tombolo::kernel {

// An alternate signal stack for the thread that makes it, if it has none yet: without one no handler could run on a
// stack that has overflowed. Best effort: where no memory is left, an overflow still kills the process, unreported.
//
// A stack that somebody else installed meanwhile is left alone at the end.
// Requires: destroyed by the thread that made it, not in a signal handler.
class signal_stack {
public:
    signal_stack() noexcept;
    ~signal_stack();
    signal_stack(const signal_stack&) = delete;
    signal_stack& operator=(const signal_stack&) = delete;

private:
    void* mapping_ = nullptr;  // null when the thread had one already
    std::size_t mapped_bytes_ = 0;
};

}  // namespace tombolo::kernel
