#pragma once

#include <tombolo/fibers/parking_lot.hpp>
#include <tombolo/fibers/run_token.hpp>
#include <tombolo/fibers/signal_subscription.hpp>

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <optional>
#include <vector>

namespace tombolo::os {

/// Signals of the process, handed out one by one to a task.
///
/// Why: a signal handler may do next to nothing; a task that receives signals may do anything: reload a configuration,
/// begin an orderly shutdown.
///
/// Signals belong to the process, not to a thread or a run: every open receiver of a signal gets it, of whichever run, and
/// no matter which thread it was sent to. Several arrivals of one signal that nobody has received yet are one. Different
/// ones are handed out in the order of their arrival, and the number of one that comes again goes to the end, so none
/// starves. While any receiver of SIGINT is open, Ctrl-C is no keyboard_interrupt.
///
/// When the last receiver of a signal closes, the disposition from before is back, unless somebody else has replaced the
/// handler meanwhile. Signals that came and were not received are then raised again, for keyboard interrupts or for that
/// disposition: a SIGTERM that nobody received still ends the process. They are not when another receiver has got them too.
///
/// Lifetime: immovable; used and closed on its run's thread; outlives every call of receive(). Requires: some thread of the
/// process does not block the signal.
/// Source: trio.open_signal_receiver; there it is for the main thread only, and an inner receiver hides an outer one.
class signal_receiver {
public:
    class iterator;

    signal_receiver(const signal_receiver&) = delete;
    signal_receiver& operator=(const signal_receiver&) = delete;
    /// Closes it. Requires: nobody is in receive().
    ~signal_receiver();

    /// Waits for a signal and returns its number.
    /// Checkpoint: always. Cancellation: ends the wait; no signal is lost. Throws: busy_resource while another task is in
    /// receive(); closed_resource after close(), also to who waits then; cancelled; wrong_thread; not_in_task and its kin.
    int receive();

    /// The next signal that has come already; empty when none has.
    /// Checkpoint: never. Throws: closed_resource; wrong_thread.
    std::optional<int> try_receive();

    /// How many different signals have come and were not received.
    /// Checkpoint: never.
    std::size_t pending() noexcept;

    /// Gives the signals back, and ends a receive() with closed_resource. Again: does nothing.
    /// Checkpoint: never.
    void close() noexcept;
    bool closed() const noexcept { return closed_; }

    /// `for (int signal : receiver)` receives without end; leave it by break, or by an error.
    /// Checkpoint: always. Throws: as receive(); so does the iterator's ++, which receives the next one.
    iterator begin();
    std::default_sentinel_t end() const noexcept { return {}; }

private:
    friend signal_receiver open_signal_receiver(const std::vector<int>& signals);
    explicit signal_receiver(const std::vector<int>& signals);

    struct arrival {
        std::uint64_t number;
        int signal;
    };
    void collect() noexcept;
    int take_first() noexcept;
    void require_open(const char* what) const;

    // Invariants:
    // 1. pending_ is sorted by number and has each signal at most once; it has room for all of them.
    // 2. receiving_ <=> a task is in receive(); only that one waits in lot_.
    lowlevel::run_token run_;
    std::vector<lowlevel::signal_subscription> subscriptions_;
    std::vector<arrival> pending_;
    lowlevel::parking_lot lot_;
    bool receiving_ = false;
    bool closed_ = false;
};

/// Receives as it goes.
class signal_receiver::iterator {
public:
    using value_type = int;
    using difference_type = std::ptrdiff_t;

    int operator*() const noexcept { return signal_; }
    iterator& operator++() {
        signal_ = receiver_->receive();
        return *this;
    }
    void operator++(int) { ++*this; }
    bool operator==(std::default_sentinel_t) const noexcept { return false; }

private:
    friend class signal_receiver;
    explicit iterator(signal_receiver& from) : receiver_(&from), signal_(from.receive()) {}

    signal_receiver* receiver_;
    int signal_;
};

/// Opens a receiver of these signals: `os::signal_receiver receiver = os::open_signal_receiver({SIGTERM, SIGHUP});`
/// A number that is named twice counts once. Signals that came before are not in it.
/// Checkpoint: never. Throws: invalid_signal for an empty list, a number that is none, and what no program can receive and go
/// on (SIGKILL, SIGSTOP, SIGSEGV and the other faults); not_in_run. Nothing has changed then.
/// Source: trio.open_signal_receiver.
signal_receiver open_signal_receiver(const std::vector<int>& signals);

}  // namespace tombolo::os
