#include <tombolo/fibers/signals.hpp>

#include <tombolo/base/assert.hpp>
#include <tombolo/base/scope_exit.hpp>
#include <tombolo/fibers/checkpoint.hpp>
#include <tombolo/fibers/errors.hpp>
#include <tombolo/fibers/run.hpp>

#include <algorithm>
#include <string>
#include <utility>

namespace tombolo::os {

namespace {

/// The token of the current run. Refuses before anything has changed.
lowlevel::run_token require_run_and_signals(const std::vector<int>& signals) {
    if (!in_run())
        throw not_in_run("open_signal_receiver: no run is active on this thread; call it inside tombolo::run(...)");
    if (signals.empty())
        throw invalid_signal(
            "open_signal_receiver: the list of signals is empty; name at least one: open_signal_receiver({SIGTERM})");
    for (const int signal : signals) lowlevel::require_receivable_signal(signal, "open_signal_receiver");
    return lowlevel::current_run_token();
}

}  // namespace

signal_receiver::signal_receiver(const std::vector<int>& signals) : run_(require_run_and_signals(signals)) {
    std::vector<int> distinct = signals;
    std::ranges::sort(distinct);
    distinct.erase(std::ranges::unique(distinct).begin(), distinct.end());
    pending_.reserve(distinct.size());
    subscriptions_.reserve(distinct.size());
    for (const int signal : distinct)
        subscriptions_.emplace_back(signal, [this] {
            collect();
            if (!pending_.empty() && !lot_.empty()) lot_.unpark();
        });
}

signal_receiver::~signal_receiver() {
    TOMBOLO_ASSERT(!receiving_, "a signal receiver outlives every call of receive()");
    close();
}

void signal_receiver::collect() noexcept {
    for (lowlevel::signal_subscription& each : subscriptions_) {
        const std::uint64_t number = each.take();
        if (number != 0 && std::ranges::find(pending_, each.signal_number(), &arrival::signal) == pending_.end())
            pending_.push_back({number, each.signal_number()});
    }
    std::ranges::sort(pending_, {}, &arrival::number);
}

int signal_receiver::take_first() noexcept {
    const int signal = pending_.front().signal;
    pending_.erase(pending_.begin());
    return signal;
}

void signal_receiver::require_open(const char* what) const {
    if (!in_run() || lowlevel::current_run_token() != run_)
        throw wrong_thread(
            std::string(what) +
            ": this signal receiver belongs to another run; open one in each run that is to receive signals");
    if (closed_)
        throw closed_resource(
            std::string(what) + ": this signal receiver is closed; the signals are no longer its own");
}

int signal_receiver::receive() {
    require_open("signal_receiver::receive");
    if (receiving_)
        throw busy_resource("signal_receiver::receive: another task is receiving from it; let one task receive, or "
                            "open a receiver for each");
    receiving_ = true;
    const scope_exit done([this] { receiving_ = false; });
    collect();
    if (!pending_.empty()) checkpoint();
    for (;;) {
        require_open("signal_receiver::receive");
        if (!pending_.empty()) return take_first();
        lot_.park();
    }
}

std::optional<int> signal_receiver::try_receive() {
    require_open("signal_receiver::try_receive");
    collect();
    if (pending_.empty()) return std::nullopt;
    return take_first();
}

std::size_t signal_receiver::pending() noexcept {
    if (!closed_) collect();
    return pending_.size();
}

void signal_receiver::close() noexcept {
    if (std::exchange(closed_, true)) return;
    if (!lot_.empty()) lot_.unpark_all();
    // First all dispositions, then the signals: none of them meets a handler of this receiver.
    for (lowlevel::signal_subscription& each : subscriptions_) each.close();
    collect();
    for (const arrival& missed : std::exchange(pending_, {}))
        std::ranges::find(subscriptions_, missed.signal, &lowlevel::signal_subscription::signal_number)
            ->hand_on(missed.number);
}

signal_receiver::iterator signal_receiver::begin() { return iterator(*this); }

signal_receiver open_signal_receiver(const std::vector<int>& signals) { return signal_receiver(signals); }

}  // namespace tombolo::os
