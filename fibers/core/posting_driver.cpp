#include "fibers/core/event_watch.hpp"
#include "fibers/core/guest.hpp"

#include <memory>
#include <utility>

namespace tombolo::kernel {

namespace {

/// All that the host can do is call functions: a thread waits for events. Every tick_call goes to the host once, either
/// from here or from that thread.
class posting_driver final : public guest_driver {
public:
    explicit posting_driver(lowlevel::posting_host& host) noexcept : host_(host) {}

    void open(const std::shared_ptr<guest>& owner, int descriptor) override {
        owner_ = owner;
        auto watch = std::make_shared<event_watch>(descriptor, host_);
        watch->start_thread();
        watch_ = std::move(watch);
    }

    void tick_soon() override { tick_soon(owner_.lock()); }
    void tick_on_events(duration timeout) override { watch_->arm(owner_.lock(), timeout); }
    void hurry() override {
        if (std::shared_ptr<guest> owner = watch_->take_back()) tick_soon(std::move(owner));
    }
    void settle() noexcept override { watch_->disarm(); }
    void close() noexcept override { stop(); }
    void stop() noexcept override {
        watch_->disarm();
        watch_->stop();
    }

private:
    void tick_soon(std::shared_ptr<guest> owner) {
        host_.run_soon([call = tick_call(std::move(owner))]() mutable { call.call_once(); });
    }

    lowlevel::posting_host& host_;
    std::weak_ptr<guest> owner_;
    std::shared_ptr<event_watch> watch_;
};

}  // namespace

std::unique_ptr<guest_driver> make_driver(lowlevel::posting_host& host) {
    return std::make_unique<posting_driver>(host);
}

}  // namespace tombolo::kernel
