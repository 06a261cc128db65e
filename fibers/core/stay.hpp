#pragma once

#include "fibers/core/run_frame.hpp"

namespace tombolo::kernel {

/// While it lives, a guest's run is the one installed on this thread, between steps, and its passes may be driven from
/// this stack: the host's, which is another one each time if the host likes.
class stay {
public:
    explicit stay(run_state& run) noexcept : installed_(run) {
#if defined(TOMBOLO_TSAN)
        run.queue.mark().fiber.tsan = nullptr;
#endif
    }

private:
    installation installed_;
};

}  // namespace tombolo::kernel
