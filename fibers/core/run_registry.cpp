#include "fibers/core/run_registry.hpp"

#include "fibers/context/fiber.hpp"
#include "fibers/core/run_state.hpp"
#include "fibers/core/task_state.hpp"

#include <tombolo/fibers/cancel_scope.hpp>
#include <tombolo/fibers/errors.hpp>
#include <tombolo/fibers/nursery.hpp>

#include <mutex>

#include <pthread.h>
#include <unistd.h>

// CMake compiles this file with full debug information whatever the rest is compiled with: it carries the types that
// scripts/gdb/tombolo.py reads, so that a program without any of its own can still be looked at. Hence the includes.

extern "C" {
[[gnu::used]] constinit tombolo::kernel::run_registry tombolo_runs{
    .layout = 1, .first = nullptr, .switch_backend = tombolo::kernel::switch_backend_name};
}

namespace tombolo::kernel {

namespace {

constinit std::mutex changing;

/// A fork in another thread must not leave the child with a mutex that nobody will ever unlock.
void survive_forks() noexcept {
    static const int installed =
        ::pthread_atfork([] { changing.lock(); }, [] { changing.unlock(); }, [] { changing.unlock(); });
    static_cast<void>(installed);
}

}  // namespace

registered_run::registered_run(run_state& run) noexcept : run_(&run), thread_(::gettid()) {
    survive_forks();
    const std::lock_guard lock(changing);
    next_ = tombolo_runs.first;
    if (next_ != nullptr) next_->previous_ = this;
    tombolo_runs.first = this;
}

registered_run::~registered_run() {
    const std::lock_guard lock(changing);
    (previous_ != nullptr ? previous_->next_ : tombolo_runs.first) = next_;
    if (next_ != nullptr) next_->previous_ = previous_;
}

}  // namespace tombolo::kernel
