#include "fibers/core/guest.hpp"

#include "fibers/core/event_wait.hpp"
#include "fibers/core/hooks.hpp"
#include "fibers/core/run_context.hpp"
#include "fibers/core/stay.hpp"
#include "fibers/core/ticks.hpp"

#include <tombolo/base/scope_exit.hpp>
#include <tombolo/fibers/errors.hpp>

#include <algorithm>
#include <string>
#include <utility>

namespace tombolo::kernel {

namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;

/// Keeps sums of times in range.
constexpr duration longest_wait = 24h * 365 * 100;

/// With its poller gone a run looks for posts this often.
constexpr duration blind_wait = 1ms;

/// How long a busy guest may keep its host waiting, apart from a pass that takes longer by itself: turns of the host
/// are not free, so that passes of a few microseconds share one.
class tick_budget {
public:
    bool lasts() const noexcept { return ticks() - begun_ < 50 * ticks_in_a_microsecond(); }

private:
    std::uint64_t begun_ = ticks();
};

}  // namespace

guest::guest(std::unique_ptr<guest_program> program, std::unique_ptr<guest_driver> driver)
    : program_(std::move(program)), main_call_{program_.get()}, driver_(std::move(driver)), home_(&this_thread) {}

lowlevel::guest_run guest::start(const run_options& options) {
    if (options.detect_deadlock)
        throw usage_error(
            "start_guest_run: a guest cannot know whether its host will ever wake it, so .detect_deadlock has no "
            "meaning here; leave it out");
    if (!driver_->is_in_a_run()) require_no_run("start_guest_run");
    frame_ = std::make_unique<run_frame>(options);
    run_state& run = frame_->run();
    scope_exit undo([&] {
        phase_ = phase::over;
        frame_.reset();
    });
    run.waiter = this;
    watch_for_posts(run);
    driver_->open(shared_from_this(), run.poller.descriptor());
    scope_exit close([&] { driver_->close(); });
    // Before anything has begun: a host that fails at once has nothing to clean up.
    driver_->tick_soon();
    if (dropped_)
        throw usage_error("start_guest_run: the host dropped the guest's callback at once; it has to keep and to call "
                          "it, or to throw");
    make_first_pass(run);
    close.release();
    undo.release();
    if (!driver_->is_in_a_run()) {
        before_ = this_thread;
        this_thread = {.may_park = nullptr, .barred = nullptr, .run = &run, .why = refusal::outside_task};
    }
    phase_ = phase::with_host;
    return lowlevel::guest_run(shared_from_this());
}

void guest::make_first_pass(run_state& run) {
    const stay installed(run);
    token_ = lowlevel::current_run_token();
    frame_->start(main_call_);
    // Exactly one pass: the root task opens its nurseries and main becomes runnable, but does not run.
    run.attend(attention_bits::whole_passes, true);
    finish_pass(run, begin_pass(run), false);
    hooks::refresh(run);
    if (frame_->ended()) {
        frame_->finish();
        frame_->throw_result();
    }
    plan_ = begin_pass(run);
}

void guest::tick() {
    require_home("the callback of a guest run");
    switch (phase_.load()) {
    case phase::starting:
    case phase::asking:
        throw usage_error(
            "a host called its guest's callback inside one of the functions that the guest calls; these have to return "
            "first, and the callback belongs in a turn of its own");
    case phase::ticking:  // the host turns inside one of the guest's tasks; the tick under way plans the next one
    case phase::over:
        return;
    case phase::with_host:
        break;
    }
    {
        const scope_exit done([this] { phase_ = phase::with_host; });
        phase_ = phase::ticking;
        const stay installed(frame_->run());
        step(frame_->run());
    }
    if (frame_->ended()) return end();
    if (dropped_) return abandon();
    ask_for_tick();
}

void guest::step(run_state& run) {
    bool events = waiting_ ? take_up_wait(run) : wait_for_events(run, 0ns);
    // A tick that came too early goes on with the same wait: nothing has happened, the run has been idle all the time.
    if (waiting_ && go_on_waiting(run)) return;
    events |= std::exchange(waiting_, false);
    for (const tick_budget budget;;) {
        finish_pass(run, plan_, events);
        if (frame_->ended()) return;
        plan_ = begin_pass(run);
        // With a seed the order of everything is to depend on the seed alone, and not on how fast this thread is.
        const bool more = !run.random && budget.lasts();
        // The last look before a wait is our own: a poller that fails says so to us, and not to the host.
        events = (more || plan_.timeout > 0ns) && wait_for_events(run, 0ns);
        if (!events && plan_.timeout > 0ns) {
            if (begin_wait(run)) return;
            plan_ = {};
        }
        if (more) continue;
        // What has happened by now is not forgotten until the next tick: the run has not been idle.
        if (events) plan_.when_idle = idle_purpose::none;
        break;
    }
    next_wait_ = 0ns;
}

bool guest::take_up_wait(run_state& run) {
    const bool roused = !run.attends(attention_bits::dormant);
    run.attend(attention_bits::dormant, false);
    const bool events = end_remote_wait(run) || roused || run.entries->wake_up.raised();
    waiting_ = !events && (wait_ends_ == time::max() || steady_clock::now() < wait_ends_);
    return events;
}

bool guest::begin_wait(run_state& run) {
    const bool has_end = plan_.timeout != duration::max();
    const time now = has_end || run.spin_before_sleep > 0ns ? steady_clock::now() : time();
    wait_ends_ = has_end ? now + std::min(plan_.timeout, longest_wait) : time::max();
    spin_ends_ = now + run.spin_before_sleep;
    return waiting_ = go_on_waiting(run);
}

/// False when somebody has posted meanwhile: there will be no wait, and the run is not idle.
bool guest::go_on_waiting(run_state& run) {
    if (!begin_remote_wait(run)) return false;
    run.attend(attention_bits::dormant, true);
    next_wait_ = time_to_wait(run);
    return true;
}

duration guest::time_to_wait(const run_state& run) const {
    duration left = duration::max();
    if (wait_ends_ != time::max() || run.spin_before_sleep > 0ns) {
        const time now = steady_clock::now();
        if (now < spin_ends_) return 0ns;
        if (wait_ends_ != time::max()) left = std::max<duration>(wait_ends_ - now, 1ns);
    }
    return run.poller_failed ? std::min(left, blind_wait) : left;
}

void guest::ask_for_tick() {
    std::exception_ptr failure;
    phase_ = phase::asking;
    try {
        if (next_wait_ == 0ns)
            driver_->tick_soon();
        else
            driver_->tick_on_events(next_wait_);
    } catch (...) {
        failure = std::current_exception();
    }
    phase_ = phase::with_host;
    if (failure != nullptr) return fail(std::move(failure));
    if (dropped_) abandon();
}

void guest::roused() noexcept {
    // The host may drop the last callback meanwhile, and nobody need hold a handle.
    const auto kept = shared_from_this();
    // In a spinning wait the next tick is soon.
    if (next_wait_ == 0ns) return;
    const phase before = phase_.exchange(phase::asking);
    try {
        driver_->hurry();
    } catch (...) {
        // Not the place to end everything: somebody is in the middle of a cancel() or the like. If it fails as well,
        // the descriptor is what remains.
        dropped_ = false;
        try {
            driver_->tick_on_events(1ns);
        } catch (...) {
            frame_->run().entries->wake_up.raise();
        }
    }
    phase_ = before;
    if (dropped_ && before == phase::with_host) abandon();
}

void tick_call::call_once() {
    if (owner_ == nullptr) throw usage_error("a posting_host called a function of its guest for the second time");
    owner_->require_home("the callback of a guest run");
    const std::shared_ptr<guest> kept = std::move(owner_);
    kept->tick();
}

lowlevel::guest_run start_guest(
    std::unique_ptr<guest_program> program, lowlevel::posting_host& host, const run_options& options) {
    return std::make_shared<guest>(std::move(program), make_driver(host))->start(options);
}

lowlevel::guest_run start_guest(
    std::unique_ptr<guest_program> program, lowlevel::watching_host& host, const run_options& options) {
    return std::make_shared<guest>(std::move(program), make_driver(host))->start(options);
}

}  // namespace tombolo::kernel
