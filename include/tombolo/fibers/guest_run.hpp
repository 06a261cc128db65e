#pragma once

#include <tombolo/base/outcome.hpp>
#include <tombolo/fibers/guest_host.hpp>
#include <tombolo/fibers/kernel/callable_ref.hpp>
#include <tombolo/fibers/result_box.hpp>
#include <tombolo/fibers/run.hpp>
#include <tombolo/fibers/run_token.hpp>

#include <concepts>
#include <exception>
#include <memory>
#include <string_view>
#include <type_traits>
#include <utility>

namespace tombolo {

namespace lowlevel {
class guest_run;
}  // namespace lowlevel

namespace kernel {

class guest;

/// What a guest runs, and whom it tells when it has ended.
class guest_program {
public:
    virtual ~guest_program() = default;
    virtual void main() = 0;
    /// `error`: what run() would have thrown; null: main's result stands.
    virtual void done(std::exception_ptr error) = 0;
};

lowlevel::guest_run start_guest(
    std::unique_ptr<guest_program> program, lowlevel::posting_host& host, const run_options& options);
lowlevel::guest_run start_guest(
    std::unique_ptr<guest_program> program, lowlevel::watching_host& host, const run_options& options);

template <class F, class Done>
class typed_guest_program final : public guest_program {
    using result = std::invoke_result_t<F&>;

public:
    template <class AnyF, class AnyDone>
    typed_guest_program(AnyF&& f, AnyDone&& done) : f_(std::forward<AnyF>(f)), done_(std::forward<AnyDone>(done)) {}

    void main() override { result_.capture(f_); }
    void done(std::exception_ptr error) override {
        if (error != nullptr) return static_cast<void>(done_(failed(std::move(error))));
        if constexpr (std::is_void_v<result>)
            done_(outcome<void>());
        else
            done_(outcome<result>(result_.take()));
    }

private:
    // Out of line: g++ 12 does not see that an outcome with an error has no value to be looked at, and warns in `done`.
    [[gnu::noinline]] static outcome<result> failed(std::exception_ptr error) { return {std::move(error)}; }

    F f_;
    Done done_;
    result_box<result> result_;
};

}  // namespace kernel

namespace lowlevel {

/// A handle on a run that is the guest of a foreign event loop. Cheap to copy; dropping it means nothing.
///
/// The guest must run to its end: its host must not go away before. If the host drops the guest's callback, the guest
/// is abandoned: that is reported on stderr, the thread becomes free for other runs, the guest's tasks stay where they
/// are for ever and their stacks are not unwound, `done` is not called, and calls here throw run_finished. (A
/// posting_host has no callback while the guest sleeps: nobody notices if it goes away then.) To end the guest early,
/// call cancel(), and, if the host cannot turn any more, drain().
///
/// Threads: the host's thread only, but for what token() gives.
class guest_run {
public:
    /// True when `done` has been called, or the guest was abandoned. Checkpoint: never.
    bool ended() const noexcept;

    /// Cancels the main task and everything that it started, now and later. What main returns or throws then goes to
    /// `done`; a group is rid of its `cancelled` first, and where nothing else remains `done` gets one `cancelled` with
    /// this reason. Nothing happens when main has ended.
    /// Checkpoint: never. Throws: wrong_thread.
    void cancel(std::string_view reason = {});

    /// Runs the guest to its end on the spot, waiting for its events here and not in the host; `done` is called before
    /// this returns. Usually after cancel(): otherwise it takes as long as main takes.
    /// Checkpoint: never (it blocks the host's thread). Throws: wrong_thread; nested_run from inside the guest;
    /// run_finished when it has ended or was abandoned; what `done` throws.
    void drain();

    /// The door into the guest for other threads. Checkpoint: never.
    run_token token() const;

    /// Calls `f` as host code of the guest, that is, with the guest's run as the current one and no task: event.set(),
    /// cancel scopes, now() and the like work in it, whatever run or task is current outside. Needed only in hosts that
    /// are themselves in a run.
    /// Checkpoint: never. Throws: wrong_thread; run_finished; what `f` throws.
    template <std::invocable<> F>
    std::invoke_result_t<F> call(F&& f) {
        result_box<std::invoke_result_t<F>> result;
        auto body = [&] { result.capture(std::forward<F>(f)); };
        call_in_guest(body);
        return result.take();
    }

private:
    friend class kernel::guest;
    explicit guest_run(std::shared_ptr<kernel::guest> guest) noexcept : guest_(std::move(guest)) {}
    void call_in_guest(kernel::callable_ref body);

    std::shared_ptr<kernel::guest> guest_;
};

/// Starts a run on top of a foreign event loop, and returns at once: the host's turns drive its passes.
///
/// When this returns none of main's code has run yet, but the run is there: between its steps the host's code may use
/// now(), current_run_token(), spawn_system_task(), set events, reschedule tasks, cancel scopes and move deadlines; all
/// of that wakes the guest. in_run() is true then, in_task() is false. `main` and `done` are moved in and live as long
/// as the guest. `done(outcome<result of main>)` is called exactly once, from a turn of the host, as the very last
/// thing: another run may be started from it. What it throws leaves through the host's call.
/// Checkpoint: never.
/// Throws: nested_run when a run or a guest is active on this thread (unless the host says that it is in a run itself);
/// what run() throws for bad options; usage_error for .detect_deadlock, which a guest cannot know, and for a host that
/// drops or calls its callback at once; internal_error when the clock does not start; thread_exhausted for a
/// posting_host; std::system_error when there are no descriptors left; what the host throws. Whatever happens later
/// goes to `done`.
/// Threads: host, guest and `done` share this thread. A busy guest keeps its host waiting for about 50 microseconds at
/// a time (more if a task does not reach a checkpoint); with .seed one batch of tasks at a time, so that the order of
/// things does not depend on speed. .spin_before_sleep asks the host for turn after turn. A custom clock governs only
/// the guest's own waiting, and one that is changed by host code must be followed by something that wakes the guest
/// (testing::mock_clock does that); idleness (wait_all_tasks_blocked, autojump) knows only the guest's tasks.
/// Source: trio.lowlevel.start_guest_run.
template <class F, class Host, class Done>
    requires std::invocable<std::decay_t<F>&> &&
    (std::derived_from<Host, posting_host> || std::derived_from<Host, watching_host>) &&
    std::invocable<std::decay_t<Done>&, outcome<std::invoke_result_t<std::decay_t<F>&>>>
guest_run start_guest_run(F&& main, Host& host, Done&& done, const run_options& options = {}) {
    if (kernel::is_empty_callable(main) || kernel::is_empty_callable(done))
        kernel::throw_empty_function("start_guest_run");
    using program = kernel::typed_guest_program<std::decay_t<F>, std::decay_t<Done>>;
    return kernel::start_guest(
        std::make_unique<program>(std::forward<F>(main), std::forward<Done>(done)), host, options);
}

}  // namespace lowlevel
}  // namespace tombolo
