#pragma once

#include <tombolo/fibers/checkpoint.hpp>
#include <tombolo/fibers/park.hpp>
#include <tombolo/fibers/task.hpp>

#include <utility>

namespace bench {

/// An event that resets itself, for one waiter, on the two verbs that move our tasks: what any of our primitives pays at
/// least for a wait and a wake.
class wake_slot {
public:
    void set() {
        if (waiter_ == nullptr) {
            set_ = true;
        } else {
            tombolo::lowlevel::reschedule(*std::exchange(waiter_, nullptr));
        }
    }

    void wait() {
        if (std::exchange(set_, false)) {
            tombolo::checkpoint();
            return;
        }
        waiter_ = &tombolo::lowlevel::current_task();
        tombolo::lowlevel::park(
            [this](tombolo::lowlevel::raise_cancel) {
                waiter_ = nullptr;
                return tombolo::lowlevel::abort::succeeded;
            },
            "wake_slot");
    }

private:
    tombolo::task* waiter_ = nullptr;
    bool set_ = false;
};

}  // namespace bench
