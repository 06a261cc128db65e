#include <tombolo/fibers/mutex.hpp>

#include <tombolo/fibers/checkpoint.hpp>
#include <tombolo/fibers/errors.hpp>
#include <tombolo/fibers/kernel/own_thread.hpp>
#include <tombolo/fibers/task.hpp>

#include <string>

namespace tombolo {

bool mutex::refuse(const char* what) const {
    lot_.require_unbroken(what);
    const task& self = lowlevel::current_task();
    if (owner_.get() == &self)
        throw already_owner(
            std::string(what) + ": task \"" + self.name() +
            "\" owns this mutex already; unlock it first, or pass on that it is locked");
    kernel::require_own_thread(*owner_.get(), what);
    return false;
}

void mutex::lock() {
    kernel::checkpoint_if_cancelled("mutex::lock");
    if (owner_.try_take()) return kernel::cancel_shielded_checkpoint("mutex::lock");
    refuse("mutex::lock");
    lot_.park("mutex::lock");
}

}  // namespace tombolo
