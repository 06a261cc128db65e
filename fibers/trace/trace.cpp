#include <tombolo/fibers/trace.hpp>

#include "fibers/trace/timeline.hpp"
#include "fibers/trace/trace_events.hpp"
#include "fibers/trace/trace_log.hpp"

#include <tombolo/fibers/cancel_scope.hpp>
#include <tombolo/fibers/errors.hpp>
#include <tombolo/fibers/nursery.hpp>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <string>
#include <system_error>

namespace tombolo {

using kernel::record_kind;

namespace {

constexpr std::size_t least_bytes = std::size_t{64} << 10;

std::size_t checked(std::size_t bytes) {
    if (bytes < least_bytes)
        throw usage_error(
            "trace_recorder: .bytes is " + std::to_string(bytes) + ", too little to be useful; give at least " +
            std::to_string(least_bytes));
    return bytes;
}

std::uint64_t time_to_deadline(const cancel_scope& scope) {
    if (scope.deadline() == time_point::max()) return kernel::no_deadline;
    return static_cast<std::uint64_t>(std::max(scope.relative_deadline(), duration::zero()).count());
}

[[noreturn]] void throw_unwritten(int error, const std::string& path) {
    throw std::system_error(
        error != 0 ? error : EIO, std::generic_category(), "trace_recorder::write_file: cannot write " + path);
}

}  // namespace

trace_recorder::trace_recorder(const trace_options& options)
    : log_(std::make_unique<kernel::trace_log>(checked(options.bytes), options.time)), waits_(options.waits) {}

trace_recorder::~trace_recorder() = default;

void trace_recorder::write(std::ostream& out) const {
    kernel::write_trace_events(out, kernel::read_timeline(*log_), waits_, log_->statistics().bytes);
}

void trace_recorder::write_file(const std::string& path) const {
    errno = 0;
    std::ofstream file(path, std::ios::binary | std::ios::trunc);
    if (!file) throw_unwritten(errno, path);
    write(file);
    file.close();
    if (!file) throw_unwritten(errno, path);
}

trace_statistics trace_recorder::statistics() const noexcept { return log_->statistics(); }

void trace_recorder::clear() { log_->clear(); }

void trace_recorder::before_run() { log_->run_begins(false); }
void trace_recorder::after_run() { log_->run_ends(); }
void trace_recorder::attached() { log_->run_begins(true); }
void trace_recorder::task_spawned(task& child) { log_->spawned(child); }
void trace_recorder::task_scheduled(task& woken) { log_->scheduled(woken); }
void trace_recorder::before_task_step(task& stepping) { log_->step_begins(stepping); }
void trace_recorder::after_task_step(task& stepped) { log_->step_ends(stepped); }
void trace_recorder::task_exited(task& ended) { log_->exited(ended); }
void trace_recorder::before_io_wait(duration longest) { log_->wait_begins(longest); }
void trace_recorder::after_io_wait(duration) { log_->wait_ends(); }

void trace_recorder::nursery_entered(nursery& opened) {
    log_->nursery_changes(record_kind::nursery_entered, &opened.cancel_scope(), false);
}

void trace_recorder::nursery_exited(nursery& closed) {
    const cancel_scope& scope = closed.cancel_scope();
    log_->nursery_changes(record_kind::nursery_exited, &scope, scope.cancelled_caught());
}

void trace_recorder::scope_entered(cancel_scope& entered) {
    log_->scope_entered(&entered, time_to_deadline(entered), entered.shield());
}

void trace_recorder::scope_exited(cancel_scope& exited) { log_->scope_exited(&exited, exited.cancelled_caught()); }

void trace_recorder::scope_cancelled(cancel_scope& which, const cancel_reason& why) {
    log_->scope_cancelled(&which, static_cast<unsigned>(why.source), why.source_task, why.reason);
}

}  // namespace tombolo
