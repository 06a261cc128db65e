#include "fibers/thread_request.hpp"

#include <tombolo/fibers/no_checkpoint.hpp>

#include <optional>
#include <utility>

namespace tombolo::kernel {

void thread_request::serve() noexcept {
    try {
        variables_.call([this] {
            std::optional<no_checkpoint> section;
            if (!may_block_) section.emplace();
            body_();
        });
    } catch (...) {
        error_ = std::current_exception();
    }
}

void thread_request::answer() noexcept {
    // Told under the lock: the thread destroys this object as soon as it gets hold of it.
    const std::lock_guard lock(mutex_);
    answered_ = true;
    changed_.notify_one();
}

void thread_request::wait() {
    {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [this] { return answered_; });
    }
    if (error_ != nullptr) std::rethrow_exception(std::move(error_));
}

}  // namespace tombolo::kernel
