#include <tombolo/fibers/signal_subscription.hpp>

#include "fibers/core/run_context.hpp"
#include "fibers/core/signal_registry.hpp"

#include <tombolo/fibers/run_token.hpp>

#include <atomic>
#include <optional>
#include <utility>

namespace tombolo {

namespace kernel {

struct signal_listener : signal_subscriber {
    signal_listener(int signal_number, unique_function<void()> on_arrival)
        : signal_subscriber(tell_run), number(signal_number), job(std::in_place, std::move(on_arrival)) {
        subscribe(number, *this);
    }
    signal_listener(const signal_listener&) = delete;
    signal_listener& operator=(const signal_listener&) = delete;
    ~signal_listener() { close(); }

    static bool tell_run(signal_subscriber& told, std::uint64_t arrival) noexcept {
        auto& self = static_cast<signal_listener&>(told);
        std::uint64_t none = 0;
        self.arrived.compare_exchange_strong(none, arrival);
        if (self.job->post()) return true;
        self.arrived.compare_exchange_strong(arrival, 0);
        return false;
    }

    void close() noexcept {
        if (!job) return;
        unsubscribe(number, *this);
        job.reset();
    }

    int number;
    std::atomic<std::uint64_t> arrived{0};    ///< the first arrival that was not taken
    std::optional<lowlevel::signal_job> job;  ///< empty: closed
};

}  // namespace kernel

namespace lowlevel {

namespace {

std::unique_ptr<kernel::signal_listener> make_listener(int signal_number, unique_function<void()> on_arrival) {
    kernel::require_run("signal_subscription");
    kernel::require_receivable(signal_number, "signal_subscription");
    return std::make_unique<kernel::signal_listener>(signal_number, std::move(on_arrival));
}

}  // namespace

signal_subscription::signal_subscription(int signal_number, unique_function<void()> on_arrival)
    : listener_(make_listener(signal_number, std::move(on_arrival))) {}

signal_subscription::signal_subscription(signal_subscription&&) noexcept = default;
signal_subscription& signal_subscription::operator=(signal_subscription&&) noexcept = default;
signal_subscription::~signal_subscription() = default;

int signal_subscription::signal_number() const noexcept { return listener_->number; }

std::uint64_t signal_subscription::take() noexcept { return listener_->arrived.exchange(0); }

void signal_subscription::close() noexcept { listener_->close(); }

void signal_subscription::hand_on(std::uint64_t arrival) noexcept { kernel::hand_on(listener_->number, arrival); }

void require_receivable_signal(int signal_number, const char* what) { kernel::require_receivable(signal_number, what); }

}  // namespace lowlevel
}  // namespace tombolo
