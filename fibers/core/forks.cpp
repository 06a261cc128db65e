#include "fibers/core/forks.hpp"

#include "fibers/core/run_context.hpp"
#include "fibers/core/run_state.hpp"

#include <tombolo/fibers/errors.hpp>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <system_error>

#include <pthread.h>

namespace tombolo::kernel {

constinit unsigned fork_generation = 0;

namespace {

void bar(task_state* task) noexcept {
    this_thread.may_park = nullptr;
    this_thread.barred = task;
    this_thread.why = refusal::forked;
}

void on_fork_in_child() noexcept {
    ++fork_generation;
    // The child is still free to exec, so nothing more than this may happen here.
    if (this_thread.run != nullptr && this_thread.run->forked()) bar(current_task());
}

}  // namespace

void watch_forks() {
    static const int error = ::pthread_atfork(nullptr, nullptr, on_fork_in_child);
    if (error != 0)
        throw std::system_error(
            error, std::generic_category(), "tombolo: pthread_atfork, to notice forks during a run");
}

void bar_forked_run() noexcept {
    if (this_thread.run == nullptr || !this_thread.run->forked()) return;
    if (current_task() == nullptr)
        give_up_forked_run("an instrument or a clock forked, and the child returned from it");
    bar(current_task());
}

void throw_forked_run(const char* what) {
    throw forked_run(
        std::string(what) +
        ": this process is the child of a fork and its run is the parent's, with whom it shares the run's descriptors, "
        "so "
        "the run cannot go on here; in the child call exec or _exit, or start a new run with tombolo::run and then "
        "_exit");
}

void give_up_forked_run(std::string_view where) noexcept {
    std::fprintf(
        stderr,
        "tombolo: this process is the child of a fork, and the run of its parent would have to go on here: %.*s. Call "
        "exec "
        "or _exit in the child before that.\n",
        static_cast<int>(where.size()), where.data());
    std::fflush(stderr);
    std::abort();
}

}  // namespace tombolo::kernel
