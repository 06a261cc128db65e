#include "fibers/core/guest.hpp"

#include <memory>
#include <utility>

namespace tombolo::kernel {

namespace {

/// The host watches the poller's descriptor and one timer; all three ways to be woken are one function.
class watching_driver final : public guest_driver {
public:
    explicit watching_driver(lowlevel::watching_host& host) noexcept : host_(host) {}

    void open(const std::shared_ptr<guest>& owner, int descriptor) override {
        host_.open(descriptor, [call = tick_call(owner)] { call.call(); });
    }
    void tick_soon() override { host_.wake_soon(); }
    void tick_on_events(duration timeout) override {
        const bool never = timeout == duration::max();
        if (!never || timer_may_be_set_) host_.wake_after(timeout);
        timer_may_be_set_ = !never;
    }
    void hurry() override { host_.wake_soon(); }
    void settle() noexcept override {}
    void close() noexcept override { host_.close(); }
    void stop() noexcept override {}
    bool is_in_a_run() const override { return host_.is_in_a_run(); }

private:
    lowlevel::watching_host& host_;
    bool timer_may_be_set_ = false;
};

}  // namespace

std::unique_ptr<guest_driver> make_driver(lowlevel::watching_host& host) {
    return std::make_unique<watching_driver>(host);
}

}  // namespace tombolo::kernel
