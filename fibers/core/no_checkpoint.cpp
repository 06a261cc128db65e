#include <tombolo/fibers/no_checkpoint.hpp>

#include "fibers/core/run_context.hpp"

#include <utility>

namespace tombolo {

no_checkpoint::no_checkpoint() {
    kernel::require_task("no_checkpoint");
    kernel::run_context& context = kernel::this_thread;
    may_park_before_ = context.may_park;
    barred_before_ = context.barred;
    refusal_before_ = static_cast<unsigned char>(context.why);
    // Inside an abort function or a callback blocking is refused already, for a reason that says more.
    if (context.may_park == nullptr) return;
    context.barred = std::exchange(context.may_park, nullptr);
    context.why = kernel::refusal::no_checkpoint;
}

no_checkpoint::~no_checkpoint() {
    kernel::this_thread.may_park = may_park_before_;
    kernel::this_thread.barred = barred_before_;
    kernel::this_thread.why = static_cast<kernel::refusal>(refusal_before_);
    kernel::run_context_restored();
}

}  // namespace tombolo
