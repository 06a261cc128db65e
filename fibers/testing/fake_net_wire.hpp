#pragma once

#include <tombolo/base/time.hpp>
#include <tombolo/fibers/parking_lot.hpp>

#include <cstdint>
#include <functional>
#include <map>
#include <utility>

namespace tombolo::kernel {

/// What is on its way in a fake network: functions that are called when their virtual time has come, those of the same
/// time in the order in which they were posted. A task of the run carries them.
class fake_wire {
public:
    /// Does nothing when the wire is cut, or outside a run: then nobody is left who could notice.
    /// Checkpoint: never.
    void post(time_point when, std::function<void()> what);
    void post_in(duration delay, std::function<void()> what);

    /// Carries until cut or cancelled.
    /// Checkpoint: always.
    void carry();
    /// Everything that is on its way is lost, and what is posted from now on.
    void cut() noexcept;

private:
    // Invariant: cut_ => events_ is empty.
    std::map<std::pair<time_point, std::uint64_t>, std::function<void()>> events_;
    std::uint64_t posted_ = 0;
    lowlevel::parking_lot carrier_;
    bool cut_ = false;
};

}  // namespace tombolo::kernel
