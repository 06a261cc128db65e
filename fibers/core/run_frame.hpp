#pragma once

#include "fibers/core/interrupts.hpp"
#include "fibers/core/run_context.hpp"
#include "fibers/core/run_registry.hpp"
#include "fibers/core/run_state.hpp"
#include "fibers/core/system_clock.hpp"

#include <tombolo/fibers/cancel_scope.hpp>
#include <tombolo/fibers/kernel/callable_ref.hpp>

#include <optional>

namespace tombolo::kernel {

/// While it lives, a run is in charge of this thread, between steps.
class installation {
public:
    explicit installation(run_state& run) noexcept : before_(this_thread) {
        this_thread = {.may_park = nullptr, .barred = nullptr, .run = &run, .why = refusal::outside_task};
    }
    installation(const installation&) = delete;
    installation& operator=(const installation&) = delete;
    ~installation() {
        this_thread = before_;
        run_context_restored();
    }

private:
    run_context before_;
};

/// A run from its options to its result, whoever drives its passes in between: `start`, run_pass until `ended`, `finish`, all
/// on one thread and with the run installed there, then `throw_result`.
class run_frame {
public:
    /// Throws: invalid_stack_size, invalid_duration, usage_error for bad options, before anything has happened.
    explicit run_frame(const run_options& options);
    run_frame(const run_frame&) = delete;
    run_frame& operator=(const run_frame&) = delete;
    ~run_frame();

    run_state& run() noexcept { return run_; }

    /// Starts the clock and makes the root task; `main` must outlive the run.
    /// Throws: internal_error when the clock does not start; std::bad_alloc.
    void start(callable_ref main);
    bool ended() const noexcept { return run_.root == nullptr; }
    void finish() noexcept;
    /// Instead of finish, for a run that will never end: what outside of it depends on it is let go.
    void give_up() noexcept;

    /// Throws what run() throws; returns if main succeeded.
    void throw_result();

private:
    system_clock default_clock_;
    run_state run_;
    registered_run registered_{run_};
    cancel_scope root_scope_;
    bool takes_interrupts_;
    std::optional<interrupt_handler> interrupts_;
};

/// Throws: nested_run when a run is active on this thread.
void require_no_run(const char* what);

}  // namespace tombolo::kernel
