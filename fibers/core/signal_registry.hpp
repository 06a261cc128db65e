#pragma once

#include <atomic>
#include <cstdint>

#include <signal.h>

namespace tombolo::kernel {

/// Somebody who is to be told of a signal. Lies still while it is subscribed.
struct signal_subscriber {
    /// Called in the signal handler, on any thread and on several at a time: must be async-signal-safe. `arrival` numbers
    /// the signals of the process, from 1. Returns false when the run that is to be told does not exist (any more, or in
    /// this child of a fork): as if it were not subscribed.
    using tell_fn = bool (*)(signal_subscriber& told, std::uint64_t arrival) noexcept;

    constexpr explicit signal_subscriber(tell_fn how) noexcept : tell(how) {}

    tell_fn tell;

    // The registry's.
    std::atomic<signal_subscriber*> older{nullptr};
    std::uint64_t told_from = 0;   ///< of the arrivals up to this one it was not told
    bool last_resort = false;      ///< told only when nobody else is subscribed
    bool holds_displaced = false;  ///< `displaced` is what our handler took the place of
    struct sigaction displaced = {};
};

// The signals of the process: one handler a signal while anybody subscribes, and what it displaced comes back afterwards,
// unless somebody else has put his own handler there meanwhile. Every subscriber is told of every signal; a subscriber of
// last resort (keyboard interrupts) only while there is no other one.
//
// Callable from: any thread, all of it; not from signal handlers.

/// Throws: invalid_signal, which says why, unless a program can receive this signal and go on. `what` names the caller.
void require_receivable(int signal_number, const char* what);

/// Requires: require_receivable has passed. Throws: std::system_error.
void subscribe(int signal_number, signal_subscriber& added);

/// Does so only if the program has left the signal's disposition alone, and there is no subscriber of last resort yet.
/// Returns whether it did.
bool subscribe_as_last_resort(int signal_number, signal_subscriber& added) noexcept;

/// When this returns `removed` is not being told, nor will be.
void unsubscribe(int signal_number, signal_subscriber& removed) noexcept;

/// Raises a signal again that somebody was told of and did not use, for those who come next: subscribers of last resort,
/// the program's own disposition, subscribers who joined later. Does nothing when other subscribers have been told of it.
/// The default disposition may end the process here.
void hand_on(int signal_number, std::uint64_t arrival) noexcept;

/// Raises a signal on this thread; if the thread blocks it, on whichever thread of the process takes it.
void raise_again(int signal_number) noexcept;

}  // namespace tombolo::kernel
