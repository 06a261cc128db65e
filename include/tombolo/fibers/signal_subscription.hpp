#pragma once

#include <tombolo/base/unique_function.hpp>

#include <cstdint>
#include <memory>

namespace tombolo {

namespace kernel {
struct signal_listener;
}  // namespace kernel

namespace lowlevel {

/// A run's wish to be told of one of the process's signals: the ground that signal receivers and an event loop's signal
/// handlers stand on. Use os::open_signal_receiver unless you build something like it.
///
/// Signals belong to the process. Every subscription to a signal is told of it, whichever run and thread it was made on, and
/// whichever thread the signal was sent to. While there is one, keyboard interrupts do not see SIGINT. The handler that the
/// program had is back when the last subscription has gone, unless somebody has installed another one meanwhile.
///
/// Lifetime: made on its run's thread, and destroyed there or after the run. Requires: some thread of the process does not
/// block the signal.
/// Source: none in trio, where signal.signal replaces the handler before; asyncio's add_signal_handler.
class signal_subscription {
public:
    /// `on_arrival` is called by the run's thread, like a run_sync_soon callback, so it must not block: once for one or more
    /// arrivals of the signal.
    /// Checkpoint: never. Throws: not_in_run; invalid_signal for a number that is none, or which no program can receive and
    /// go on (SIGKILL, SIGSTOP, and the faults SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS); usage_error for an empty
    /// function; std::system_error.
    signal_subscription(int signal_number, unique_function<void()> on_arrival);
    signal_subscription(signal_subscription&&) noexcept;
    signal_subscription& operator=(signal_subscription&&) noexcept;
    /// Closes it. What has not been taken is lost.
    ~signal_subscription();

    int signal_number() const noexcept;

    /// When the signal has come since the last call: the number of its first arrival since then, in the order of all signals
    /// of the process that anybody subscribed to. Otherwise 0. Works before on_arrival is called, and after close().
    /// Checkpoint: never.
    std::uint64_t take() noexcept;

    /// Ends it: on_arrival is called no more, and if nobody else is subscribed, the disposition from before is back. Again:
    /// does nothing.
    /// Checkpoint: never.
    void close() noexcept;

    /// For an arrival that was taken and is of no use here any more: raises the signal again, for keyboard interrupts and for
    /// the disposition that the program had, unless another subscription was told of it.
    /// Checkpoint: never. Requires: close() was called; for several signals, best on all of them before.
    void hand_on(std::uint64_t arrival) noexcept;

private:
    std::unique_ptr<kernel::signal_listener> listener_;
};

/// Throws: invalid_signal, as a subscription would; `what` is the caller's name for the text.
/// Checkpoint: never. Callable from: any thread.
void require_receivable_signal(int signal_number, const char* what);

}  // namespace lowlevel
}  // namespace tombolo
