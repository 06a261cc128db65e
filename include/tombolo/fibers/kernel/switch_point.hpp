#pragma once

/// The two halves around a switch in the caller's own frame.
///
/// A function that switches must save every register that its caller may use. If the switch stands in the caller's code
/// instead, the compiler saves only what lives there: that is worth a third of a checkpoint. So the public blocking calls
/// decide in an ordinary function who runs next, switch here, and finish in an ordinary function. Those two calls are also
/// what makes this safe: no vector register lives across an ordinary call, whatever instruction set the caller's code is
/// compiled for.
///
/// TOMBOLO_INLINE_CHECKPOINT is a property of the library's build (the inline backend without sanitizers) and comes with its
/// CMake target. Without it the blocking calls are ordinary functions.

#if defined(TOMBOLO_INLINE_CHECKPOINT)

    #if defined(__x86_64__)
        #include <tombolo/fibers/kernel/switch_x86_64.hpp>
    #elif defined(__aarch64__)
        #include <tombolo/fibers/kernel/switch_aarch64.hpp>
    #else
        #error "TOMBOLO_INLINE_CHECKPOINT is set for a CPU without an inline switch"
    #endif

namespace tombolo::kernel {

/// From whom to whom to switch; null: not at all, it has been done or is not needed.
struct switch_plan {
    saved_context* from;
    saved_context* to;
};

[[gnu::always_inline]] inline void follow(const switch_plan& plan) noexcept {
    if (plan.to != nullptr) [[likely]]
        switch_context(*plan.from, *plan.to);
}

}  // namespace tombolo::kernel

#endif
