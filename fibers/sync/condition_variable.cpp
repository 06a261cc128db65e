#include <tombolo/fibers/condition_variable.hpp>

#include <tombolo/fibers/cancel_scope.hpp>
#include <tombolo/fibers/checkpoint.hpp>
#include <tombolo/fibers/errors.hpp>
#include <tombolo/fibers/task.hpp>

#include <exception>

namespace tombolo {

void condition_variable::require_lock(const char* what) const { mutex_.owner_.require_current_task(what); }

void condition_variable::wait() {
    require_lock("condition_variable::wait");
    kernel::checkpoint_if_cancelled("condition_variable::wait");
    // notify() writes here while the task sleeps.
    bool notified = false;
    lowlevel::current_task().custom_sleep_data() = &notified;
    mutex_.unlock();
    try {
        lot_.park("condition_variable::wait");
    } catch (...) {
        end_wait(notified);
        throw;
    }
}

/// Owns the mutex again, in the place of a wait that an error ends; no interrupt comes between.
void condition_variable::end_wait(bool notified) {
    std::exception_ptr interrupt;
    for (bool owned = false; !owned;) {
        cancel_scope shield{{.shield = true}};
        try {
            owned = shield.run([&] { mutex_.lock(); });
        } catch (const keyboard_interrupt&) {
            interrupt = std::current_exception();
        }
    }
    if (notified) notify_up_to(1);
    if (interrupt != nullptr) std::rethrow_exception(interrupt);
}

void condition_variable::notify_up_to(std::size_t count) {
    require_lock("condition_variable::notify");
    for (; count > 0; --count) {
        task* const next = lot_.first();
        if (next == nullptr) return;
        *static_cast<bool*>(next->custom_sleep_data()) = true;
        lot_.repark(mutex_.lot_);
    }
}

}  // namespace tombolo
