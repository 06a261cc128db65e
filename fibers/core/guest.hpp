#pragma once

#include "fibers/core/guest_driver.hpp"
#include "fibers/core/run_frame.hpp"
#include "fibers/core/run_loop.hpp"

#include <tombolo/fibers/guest_run.hpp>
#include <tombolo/fibers/run_token.hpp>

#include <atomic>
#include <chrono>
#include <exception>
#include <memory>
#include <optional>
#include <utility>

namespace tombolo::kernel {

/// A run whose passes a foreign loop drives, tick by tick: each tick is the second half of one pass, perhaps some whole
/// passes, and the first half of the next one; in between the host waits.
///
/// Invariants:
/// 1. In phase with_host exactly one tick is owed: soon, or on events (waiting_); then the run is dormant until host
/// code rouses it.
/// 2. frame_ is null <=> phase over. plan_ is the pass that has been begun and not finished.
/// 3. The run is installed on home_ during ticks and calls, and, unless the host is in a run, from start to end.
/// 4. Everything happens on home_; other threads may only drop a callback, and look at phase_ and home_ for that.
class guest final : public std::enable_shared_from_this<guest>, private remote_waiter {
public:
    guest(std::unique_ptr<guest_program> program, std::unique_ptr<guest_driver> driver);
    guest(const guest&) = delete;
    guest& operator=(const guest&) = delete;

    lowlevel::guest_run start(const run_options& options);

    /// Called by the host's turns. Throws: usage_error inside a call of the guest to its host.
    void tick();
    void require_home(const char* what) const;
    /// The host dropped what would have called tick(). Callable from: any thread.
    static void callback_dropped(std::shared_ptr<guest> owner) noexcept;

    bool over() const noexcept { return phase_ == phase::over; }
    void cancel(std::string_view reason);
    void drain();
    void call(callable_ref body);
    lowlevel::run_token token() const { return *token_; }

private:
    enum class phase { starting, with_host, ticking, asking, over };

    void require_going_on(const char* what) const;
    void make_first_pass(run_state& run);

    void step(run_state& run);
    bool take_up_wait(run_state& run);
    bool begin_wait(run_state& run);
    bool go_on_waiting(run_state& run);
    void roused() noexcept override;
    duration time_to_wait(const run_state& run) const;
    void ask_for_tick();

    void run_to_end();
    void fail(std::exception_ptr error);
    void end();
    void abandon() noexcept;
    void release_thread() noexcept;

    struct main_call {
        guest_program* program;
        void operator()() const { program->main(); }
    };

    std::unique_ptr<guest_program> program_;
    main_call main_call_;
    std::unique_ptr<guest_driver> driver_;
    std::unique_ptr<run_frame> frame_;
    std::optional<lowlevel::run_token> token_;
    std::shared_ptr<const cancel_reason> cancel_reason_;  ///< set when the host cancelled main
    run_context* const home_;
    std::optional<run_context> before_;  ///< what was installed before the start, if the guest stays installed
    std::atomic<phase> phase_ = phase::starting;
    bool dropped_ = false;  ///< the host dropped its callback while the guest or the host's functions were at work

    using time = std::chrono::steady_clock::time_point;
    wait_plan plan_;
    bool waiting_ = false;
    time wait_ends_{};
    time spin_ends_{};      ///< until then the wait is a series of ticks
    duration next_wait_{};  ///< zero: a tick soon, otherwise one on events or after this time
};

/// What a host is given to call. Destroying one that the guest still depends on abandons the guest.
class tick_call {
public:
    explicit tick_call(std::shared_ptr<guest> owner) noexcept : owner_(std::move(owner)) {}
    tick_call(tick_call&&) noexcept = default;
    tick_call& operator=(tick_call&&) = delete;
    ~tick_call() {
        if (owner_ != nullptr) guest::callback_dropped(std::move(owner_));
    }

    /// One tick; for hosts that call again and again. The host may destroy this object meanwhile.
    void call() const {
        const std::shared_ptr<guest> kept = owner_;
        kept->tick();
    }
    /// The one tick that this was for. Throws: usage_error when there was one already.
    void call_once();

private:
    std::shared_ptr<guest> owner_;
};

}  // namespace tombolo::kernel
