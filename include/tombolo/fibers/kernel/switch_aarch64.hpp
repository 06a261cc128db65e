#pragma once

/// The inline backend for AArch64 (AAPCS64).
///
/// As on x86-64: three words are saved by hand, every other register is listed as clobbered. x18 belongs to the platform
/// and is left alone; of v8-v15 the callee saves only the low halves, but a clobber covers the whole register.

namespace tombolo::kernel {

inline constexpr const char* switch_backend_name = "inline AArch64";

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
    context = {reinterpret_cast<void*>(entry), top, nullptr};
}

[[gnu::always_inline]] inline void switch_context(saved_context& from, saved_context& to) noexcept {
    register saved_context* target asm("x0") = &to;
    register saved_context* source asm("x1") = &from;
    // Leaving through x17 keeps branch target identification content (`bti j` and `bti c` both accept it).
    asm volatile("adr x9, 1f\n\t"
                 "mov x10, sp\n\t"
                 "stp x9, x10, [x1]\n\t"
                 "str x29, [x1, #16]\n\t"
                 "ldp x17, x10, [x0]\n\t"
                 "ldr x29, [x0, #16]\n\t"
                 "mov sp, x10\n\t"
                 "mov x30, xzr\n\t"
                 "br x17\n"
                 "1:\n\t"
#if defined(__ARM_FEATURE_BTI_DEFAULT)
                 "bti j\n\t"
#endif
                 : "+r"(target), "+r"(source)
                 :
                 : "x2", "x3", "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13", "x14", "x15", "x16",
                   "x17", "x19", "x20", "x21", "x22", "x23", "x24", "x25", "x26", "x27", "x28", "x30", "memory", "cc",
                   "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v8", "v9", "v10", "v11", "v12", "v13", "v14", "v15",
                   "v16", "v17", "v18", "v19", "v20", "v21", "v22", "v23", "v24", "v25", "v26", "v27", "v28", "v29",
                   "v30", "v31");
}

/// Marks the outermost frame of a fiber, so that unwinders, debuggers and profilers stop there.
#define TOMBOLO_END_OF_STACK() asm volatile(".cfi_undefined x30")

}  // namespace tombolo::kernel
