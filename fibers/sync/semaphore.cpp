#include <tombolo/fibers/semaphore.hpp>

#include <tombolo/fibers/checkpoint.hpp>
#include <tombolo/fibers/errors.hpp>

#include <string>

namespace tombolo {

semaphore::semaphore(checked_initial /*tag*/, std::size_t initial, semaphore_options options)
    : value_(initial), max_value_(options.max_value) {
    if (initial > max_value_)
        throw invalid_count(
            "semaphore: the initial value " + std::to_string(initial) + " is greater than max_value, which is " +
            std::to_string(max_value_) + "; give an initial value from 0 to max_value");
}

void semaphore::acquire() {
    kernel::checkpoint_if_cancelled("semaphore::acquire");
    if (try_acquire()) return kernel::cancel_shielded_checkpoint("semaphore::acquire");
    lot_.park("semaphore::acquire");
}

void semaphore::refuse_release() const {
    throw released_too_often(
        "semaphore::release: the value is " + std::to_string(value_) +
        " already, which is its maximum; release once for each acquire");
}

}  // namespace tombolo
