#pragma once

#include <boost/context/detail/fcontext.hpp>

/// The portable backend: Boost.Context's fcontext, on every platform that it supports.

namespace tombolo::kernel {

inline constexpr const char* switch_backend_name = "boost fcontext";

struct saved_context {
    boost::context::detail::fcontext_t handle = nullptr;
    void (*entry)(saved_context*) = nullptr;
};

/// What a switch hands to the other side: the handle of the suspended side is only known after the jump, so the arriving
/// side stores it. Lives on the stack of the side that left.
struct context_hand_over {
    saved_context* from;
    saved_context* to;
};

inline void accept_hand_over(boost::context::detail::transfer_t transfer) noexcept {
    static_cast<context_hand_over*>(transfer.data)->from->handle = transfer.fctx;
}

inline void start_context(boost::context::detail::transfer_t transfer) noexcept {
    accept_hand_over(transfer);
    saved_context* self = static_cast<context_hand_over*>(transfer.data)->to;
    self->entry(self);
}

inline bool is_prepared(const saved_context& context) noexcept { return context.handle != nullptr; }

/// Where the suspended side's innermost frame is: worth a prefetch.
inline const void* innermost_frame(const saved_context& context) noexcept { return context.handle; }

/// For a context that starts out running, on a stack that is its caller's: from now on it counts as prepared.
inline void mark_running(saved_context& context) noexcept { context.handle = &context; }

/// Makes `context` start in `entry` on the stack that ends at `top` (16-byte aligned). `entry` receives &context.
inline void prepare_context(saved_context& context, void* top, void (*entry)(saved_context*)) noexcept {
    context.entry = entry;
    context.handle = boost::context::detail::make_fcontext(top, 0, start_context);
}

inline void switch_context(saved_context& from, saved_context& to) noexcept {
    context_hand_over hand_over{&from, &to};
    accept_hand_over(boost::context::detail::jump_fcontext(to.handle, &hand_over));
}

/// Marks the outermost frame of a fiber, so that unwinders, debuggers and profilers stop there.
#if defined(__x86_64__)
    #define TOMBOLO_END_OF_STACK() asm volatile(".cfi_undefined rip")
#elif defined(__aarch64__)
    #define TOMBOLO_END_OF_STACK() asm volatile(".cfi_undefined x30")
#else
    #define TOMBOLO_END_OF_STACK() static_cast<void>(0)
#endif

}  // namespace tombolo::kernel
