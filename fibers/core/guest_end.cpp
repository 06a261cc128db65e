#include "fibers/context/stack_pool.hpp"
#include "fibers/core/cancel_status.hpp"
#include "fibers/core/cancelled_access.hpp"
#include "fibers/core/delivery.hpp"
#include "fibers/core/event_wait.hpp"
#include "fibers/core/guest.hpp"
#include "fibers/core/nursery_access.hpp"
#include "fibers/core/run_context.hpp"
#include "fibers/core/stay.hpp"

#include <tombolo/base/scope_exit.hpp>
#include <tombolo/fibers/errors.hpp>
#include <tombolo/fibers/exception_group.hpp>
#include <tombolo/fibers/task_tree.hpp>

#include <cstdio>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

// How a guest ends: by itself, cancelled, drained, by a failing host, or abandoned.
namespace tombolo::kernel {

namespace {

/// Where the remains of abandoned runs stay: their tasks can never be unwound, and what they refer to must not go away
/// under a debugger.
void bury(std::shared_ptr<void> remains) {
    static std::mutex mutex;
    static auto& buried = *new std::vector<std::shared_ptr<void>>;
    const std::lock_guard lock(mutex);
    buried.push_back(std::move(remains));
}

/// The calls of host code, made as such wherever they are made: with the guest's run installed, and no task current.
class visit {
public:
    explicit visit(run_state& run) noexcept {
        // Where it is so already nothing has to be restored, in particular not a run that the host abandons meanwhile.
        if (this_thread.run != &run || current_task() != nullptr) installed_.emplace(run);
    }

private:
    std::optional<installation> installed_;
};

/// What is left of main's error when the host cancelled it: its other errors, or one `cancelled` that gives the reason.
std::exception_ptr without_cancelled(std::exception_ptr error, const std::shared_ptr<const cancel_reason>& reason) {
    auto [rest, removed] = strip_cancelled(std::move(error));
    if (rest != nullptr) return rest;
    try {
        cancelled_access::raise(reason);
    } catch (...) {
        return std::current_exception();
    }
}

}  // namespace

void guest::require_home(const char* what) const {
    if (home_ == &this_thread) return;
    throw wrong_thread(
        std::string(what) +
        ": called on another thread than the one that started this guest run; a guest, its host and calls to its "
        "handle share one thread, and other threads go through guest_run::token()");
}

void guest::require_going_on(const char* what) const {
    require_home(what);
    if (over()) throw run_finished(std::string(what) + ": this guest run has ended or was abandoned by its host");
}

void guest::cancel(std::string_view reason) {
    require_home("guest_run::cancel");
    if (over()) return;
    run_state& run = frame_->run();
    if (run.main == nullptr) return;
    const visit here(run);
    scope_access::cancel(run.main->parent->cancel_scope(), [&] {
        return cancel_reason_ = make_reason(cancel_source::explicit_call, std::string(reason), "the host");
    });
}

void guest::call(callable_ref body) {
    require_going_on("guest_run::call");
    const visit here(frame_->run());
    body();
}

void guest::drain() {
    require_going_on("guest_run::drain");
    const auto kept = shared_from_this();
    const bool inside = this_thread.run == &frame_->run() &&
        (driver_->is_in_a_run() || current_task() != nullptr || this_thread.why != refusal::outside_task);
    if (phase_ != phase::with_host || inside)
        throw nested_run("guest_run::drain: called from inside the guest itself, or from a function that it called its "
                         "host with; it "
                         "cannot end while it waits here. Call it from the host's own code");
    run_to_end();
    end();
}

/// Waits for events on the spot from now on.
void guest::run_to_end() {
    run_state& run = frame_->run();
    const scope_exit done([this] { phase_ = phase::with_host; });
    phase_ = phase::ticking;
    const stay installed(run);
    driver_->settle();
    run.attend(attention_bits::dormant, false);
    if (std::exchange(waiting_, false)) end_remote_wait(run);
    finish_pass(run, plan_, true);
    while (!frame_->ended()) run_pass(run);
}

/// The host cannot give the guest any further tick.
void guest::fail(std::exception_ptr error) {
    {
        const installation installed(frame_->run());
        crash(frame_->run(), "the host of this guest run failed (" + describe(error) + ")", error);
    }
    run_to_end();
    end();
}

void guest::end() {
    std::exception_ptr error;
    phase_ = phase::ticking;
    {
        const installation installed(frame_->run());
        frame_->finish();
        try {
            frame_->throw_result();
        } catch (...) {
            error = std::current_exception();
        }
    }
    if (error != nullptr && cancel_reason_ != nullptr) error = without_cancelled(std::move(error), cancel_reason_);
    phase_ = phase::over;
    release_thread();
    if (dropped_)
        driver_->stop();
    else
        driver_->close();
    frame_.reset();
    const std::unique_ptr<guest_program> program = std::move(program_);
    program->done(std::move(error));
}

void guest::release_thread() noexcept {
    if (before_) this_thread = *before_;
    before_.reset();
}

void guest::callback_dropped(std::shared_ptr<guest> owner) noexcept {
    if (owner->over()) return;
    if (owner->home_ != &this_thread) {
        std::fputs(
            "tombolo: a guest run's callback was destroyed on another thread: its host must call it, and on the thread "
            "that "
            "started the guest. The guest cannot go on; end it there with guest_run::cancel() and drain().\n",
            stderr);
        return bury(std::move(owner));
    }
    if (owner->phase_ == phase::with_host)
        owner->abandon();
    else
        owner->dropped_ = true;
}

void guest::abandon() noexcept {
    run_state& run = frame_->run();
    std::string tree;
    {
        const installation installed(run);
        tree = lowlevel::task_tree();
        frame_->give_up();
    }
    std::fprintf(
        stderr,
        "tombolo: a guest run was abandoned: its host dropped the guest's callback before the main task had ended. "
        "These "
        "tasks stay where they are for ever, and nothing on their stacks is released:\n%sKeep the host turning until "
        "the "
        "guest's done function was called, or call guest_run::cancel() and drain() first.\n",
        tree.c_str());
    run.attend(attention_bits::dormant, false);
    run.waiter = nullptr;
    phase_ = phase::over;
    release_thread();
    driver_->stop();
    bury(std::move(frame_));
    bury(std::move(program_));
    give_up_this_thread_stack_pool();
}

}  // namespace tombolo::kernel

namespace tombolo::lowlevel {

bool guest_run::ended() const noexcept { return guest_->over(); }
void guest_run::cancel(std::string_view reason) { guest_->cancel(reason); }
void guest_run::drain() { guest_->drain(); }
run_token guest_run::token() const { return guest_->token(); }
void guest_run::call_in_guest(kernel::callable_ref body) { guest_->call(body); }

}  // namespace tombolo::lowlevel
