#pragma once

#include <string_view>

namespace tombolo::kernel {

/// How many forks lie between the process that first made a run and this one. A run that was born in another generation
/// belongs to the parent process: it shares its descriptors with it, and must not be touched but to be left.
/// Changes only in the child of a fork, which has one thread.
extern constinit unsigned fork_generation;

/// Called before the first run. Throws: std::system_error.
void watch_forks();

/// `what` names the function that was called.
[[noreturn]] void throw_forked_run(const char* what);

/// Ends the process where the run of the parent would have to go on and no error can be thrown. `where` says where.
[[noreturn]] void give_up_forked_run(std::string_view where) noexcept;

/// Bars the run of the parent process, if it is the one installed on this thread.
void bar_forked_run() noexcept;

/// To be called wherever an earlier run_context comes back: a fork may lie in between.
inline void run_context_restored() noexcept {
    if (fork_generation != 0) [[unlikely]]
        bar_forked_run();
}

}  // namespace tombolo::kernel
