#include <tombolo/fibers/cancel_watch.hpp>

#include "fibers/core/cancel_status.hpp"
#include "fibers/core/run_context.hpp"

#include <tombolo/fibers/errors.hpp>

#include <utility>

namespace tombolo {

namespace lowlevel {

cancel_watch::cancel_watch(cancel_scope& scope, unique_function<void()> on_cancel) : on_cancel_(std::move(on_cancel)) {
    if (!on_cancel_) throw usage_error("cancel_watch: the function is empty; give it something to call");
    const bool cancelled = scope.cancel_called();
    kernel::cancel_status& status = kernel::scope_access::status(scope);
    next_ = status.watches;
    if (next_ != nullptr) next_->link_ = &next_;
    status.watches = this;
    link_ = &status.watches;
    if (cancelled || status.effectively_cancelled) status.call_watches();
}

cancel_watch::~cancel_watch() { unlink(); }

void cancel_watch::unlink() noexcept {
    if (link_ == nullptr) return;
    *link_ = next_;
    if (next_ != nullptr) next_->link_ = link_;
    link_ = nullptr;
}

}  // namespace lowlevel

namespace kernel {

void cancel_status::call_watches() noexcept {
    const forbid_parking guard(refusal::abort_function);
    while (watches != nullptr) {
        lowlevel::cancel_watch& first = *watches;
        first.unlink();
        // The watch may be destroyed in the call.
        unique_function<void()> on_cancel = std::move(first.on_cancel_);
        on_cancel();
    }
}

void cancel_status::forget_watches() noexcept {
    while (watches != nullptr) watches->unlink();
}

}  // namespace kernel
}  // namespace tombolo
