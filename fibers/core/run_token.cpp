#include <tombolo/fibers/run_token.hpp>

#include "fibers/core/entry_queue.hpp"
#include "fibers/core/run_context.hpp"
#include "fibers/core/run_state.hpp"

#include <tombolo/fibers/errors.hpp>

namespace tombolo::lowlevel {

run_token current_run_token() { return run_token(kernel::require_run("current_run_token").entries); }

void run_token::post(unique_function<void()> job, idempotency_key key) const {
    if (!job) throw usage_error("run_sync_soon: the function is empty; give it something to call");
    queue_->post(std::move(job), key);
}

signal_job::signal_job(unique_function<void()> job)
    : queue_(kernel::require_run("signal_job").entries), slot_(std::make_unique<kernel::signal_slot>()) {
    if (!job) throw usage_error("signal_job: the function is empty; give it something to call");
    slot_->job = std::move(job);
    queue_->add_signal_slot(*slot_);
}

signal_job::~signal_job() { queue_->remove_signal_slot(*slot_); }

bool signal_job::post() noexcept { return queue_->post_from_signal(*slot_); }

}  // namespace tombolo::lowlevel
