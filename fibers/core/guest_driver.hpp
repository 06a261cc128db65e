#pragma once

#include <tombolo/base/time.hpp>
#include <tombolo/fibers/guest_host.hpp>

#include <memory>

namespace tombolo::kernel {

class guest;

/// How a guest gets its next tick: the part that differs between kinds of hosts. Host's thread only.
class guest_driver {
public:
    virtual ~guest_driver() = default;

    /// Called once, before anything else. `descriptor` is readable while there are events.
    /// Throws: what the host throws; thread_exhausted; std::system_error. Nothing has to be closed then.
    virtual void open(const std::shared_ptr<guest>& owner, int descriptor) = 0;
    /// One tick, soon. Throws: what the host throws.
    virtual void tick_soon() = 0;
    /// A tick when there are events, or when `timeout` has passed. Throws: what the host throws.
    virtual void tick_on_events(duration timeout) = 0;
    /// One tick, soon, instead of the one that was asked for with tick_on_events. Throws: what the host throws.
    virtual void hurry() = 0;
    /// Takes tick_on_events back; when this returns, nobody else uses the descriptor or the host.
    virtual void settle() noexcept = 0;
    /// The guest has ended, and the host is to know.
    virtual void close() noexcept = 0;
    /// The guest has ended, and the host must not be called any more.
    virtual void stop() noexcept = 0;
    virtual bool is_in_a_run() const { return false; }
};

std::unique_ptr<guest_driver> make_driver(lowlevel::posting_host& host);
std::unique_ptr<guest_driver> make_driver(lowlevel::watching_host& host);

}  // namespace tombolo::kernel
