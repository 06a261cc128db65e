#pragma once

/// The inline backend for x86-64 System V.
///
/// The asm saves three words and lists every other register as clobbered, so the compiler spills only what lives across
/// the switch. Nothing is pushed: the asm may be inlined into a leaf function whose red zone is in use.
/// The floating-point control words (mxcsr, x87) belong to the thread, not to the fiber: saving them costs half as much
/// again as the whole switch, and code that changes rounding modes restores them before it blocks.

namespace tombolo::kernel {

inline constexpr const char* switch_backend_name = "inline x86-64";

struct saved_context {
    void* resume_at = nullptr;
    void* stack_pointer = nullptr;
    void* frame_pointer = nullptr;
};

inline bool is_prepared(const saved_context& context) noexcept { return context.resume_at != nullptr; }

/// Where the suspended side's innermost frame is: worth a prefetch.
inline const void* innermost_frame(const saved_context& context) noexcept { return context.stack_pointer; }

/// For a context that starts out running, on a stack that is its caller's: from now on it counts as prepared.
inline void mark_running(saved_context& context) noexcept { context.resume_at = &context; }

/// Makes `context` start in `entry` on the stack that ends at `top` (16-byte aligned). `entry` receives &context.
inline void prepare_context(saved_context& context, void* top, void (*entry)(saved_context*)) noexcept {
    auto* return_slot = static_cast<void**>(top) - 1;
    *return_slot = nullptr;
    context = {reinterpret_cast<void*>(entry), return_slot, nullptr};
}

#if defined(__CET__) && (__CET__ & 1)
    #define TOMBOLO_LANDING_PAD "endbr64\n\t"
#else
    #define TOMBOLO_LANDING_PAD
#endif

[[gnu::always_inline]] inline void switch_context(saved_context& from, saved_context& to) noexcept {
    saved_context* source = &from;
    saved_context* target = &to;
    asm volatile("leaq 1f(%%rip), %%rax\n\t"
                 "movq %%rax, 0(%[source])\n\t"
                 "movq %%rsp, 8(%[source])\n\t"
                 "movq %%rbp, 16(%[source])\n\t"
                 "movq 8(%[target]), %%rsp\n\t"
                 "movq 16(%[target]), %%rbp\n\t"
                 "jmpq *0(%[target])\n"
                 "1:\n\t" TOMBOLO_LANDING_PAD
                 : [source] "+S"(source), [target] "+D"(target)
                 :
                 : "rax", "rbx", "rcx", "rdx", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "memory", "cc",
                   "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11",
                   "xmm12", "xmm13", "xmm14", "xmm15", "st", "st(1)", "st(2)", "st(3)", "st(4)", "st(5)", "st(6)",
                   "st(7)"
#if defined(__AVX512F__)
                   ,
                   "xmm16", "xmm17", "xmm18", "xmm19", "xmm20", "xmm21", "xmm22", "xmm23", "xmm24", "xmm25", "xmm26",
                   "xmm27", "xmm28", "xmm29", "xmm30", "xmm31", "k1", "k2", "k3", "k4", "k5", "k6", "k7"
#endif
    );
}

#undef TOMBOLO_LANDING_PAD

/// Marks the outermost frame of a fiber, so that unwinders, debuggers and profilers stop there.
#define TOMBOLO_END_OF_STACK() asm volatile(".cfi_undefined rip")

}  // namespace tombolo::kernel
