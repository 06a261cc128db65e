#pragma once

#include <tombolo/base/intrusive_list.hpp>
#include <tombolo/fibers/kernel/wait_record.hpp>

namespace tombolo {

namespace lowlevel {
class parking_lot;
}  // namespace lowlevel

namespace kernel {

struct by_lot;  // a waiter in its parking lot

lowlevel::abort leave_lot(void* parked_waiter, const lowlevel::raise_cancel& raise);

/// A task in a parking lot: lives in the frame of the task that waits. Public only so that the wait can be inline.
struct parked_waiter : list_hook<by_lot> {
    parked_waiter(lowlevel::parking_lot& in, const char* where) noexcept
        : lot(&in), wait{where, leave_lot, this, nullptr, &type_tag<void>} {}

    lowlevel::parking_lot* lot;
    wait_record wait;
};

/// Waits until unparked; throws what wakes it with an error.
#if defined(TOMBOLO_INLINE_CHECKPOINT)
switch_plan begin_parking(parked_waiter& here);
void end_parking(parked_waiter& here);

inline void park_in_lot(parked_waiter& here) {
    follow(begin_parking(here));
    end_parking(here);
}
#else
void park_in_lot(parked_waiter& here);
#endif

}  // namespace kernel
}  // namespace tombolo
