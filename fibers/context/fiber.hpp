#pragma once

#include "fibers/context/sanitizer.hpp"
#include "fibers/context/stack_pool.hpp"

#if defined(TOMBOLO_SWITCH_BOOST)
    #include "fibers/context/switch_boost.hpp"
#elif defined(__x86_64__)
    #include <tombolo/fibers/kernel/switch_x86_64.hpp>
#elif defined(__aarch64__)
    #include <tombolo/fibers/kernel/switch_aarch64.hpp>
#else
    #error "no inline switch for this CPU: configure with -DTOMBOLO_SWITCH=boost"
#endif

namespace tombolo::kernel {

/// The C++ runtime's per-thread exception state (`__cxa_eh_globals` of the Itanium ABI): the stack of caught exceptions
/// and the number of uncaught ones. Two fibers that switch inside `catch` blocks would otherwise rethrow each other's.
struct exception_state {
    void* caught = nullptr;
    unsigned int uncaught = 0;
};

/// This thread's live exception state; cached because the ABI function costs a call.
extern thread_local constinit exception_state* this_thread_exceptions __attribute__((tls_model("initial-exec")));

/// Fetches the pointer above. Called once per thread before its first switch.
void remember_exception_state() noexcept;

/// What is suspended and resumed: a saved context and the stack under it. A fiber without a stack is the thread itself
/// (or whatever stack entered the run).
struct fiber {
    saved_context context;
    bool holds_exceptions = false;  ///< `exceptions` is not empty; false while the fiber runs
    unsigned int owner_count = 0;   ///< for the owner: it sits in what would be padding of the hottest cache line
    stack* memory = nullptr;
    exception_state exceptions;  ///< while suspended
#if defined(TOMBOLO_ASAN)
    void* fake_stack = nullptr;
    const void* bottom = nullptr;
    std::size_t size = 0;
#endif
#if defined(TOMBOLO_TSAN)
    void* tsan = nullptr;
#endif
};

using fiber_main = void (*)(fiber&);

/// False until prepare_fiber: there is nothing to switch to.
inline bool has_started(const fiber& which) noexcept { return is_prepared(which.context); }

/// Saves `from`'s exception state and makes `to`'s live: a part of every switch between them.
inline void exchange_exceptions(fiber& from, fiber& to) noexcept {
    exception_state& live = *this_thread_exceptions;
    // Nearly always both sides are outside any catch block.
    if (live.caught == nullptr && live.uncaught == 0 && !to.holds_exceptions) [[likely]]
        return;
    from.exceptions = live;
    from.holds_exceptions = live.caught != nullptr || live.uncaught != 0;
    live = to.holds_exceptions ? to.exceptions : exception_state{};
    to.holds_exceptions = false;
}

/// Readies `target` to run `main(target)` on `memory` at the next switch to it. `main` must never return.
void prepare_fiber(fiber& target, stack& memory, fiber_main main) noexcept;

/// Seats `next` on `memory`, which the caller stands on, without a switch: the caller's fiber has ended, and `next` goes on
/// in its place.
void continue_on(fiber& next, stack& memory) noexcept;

#if defined(TOMBOLO_ASAN) || defined(TOMBOLO_TSAN)
void before_switch(fiber* from, fiber& to) noexcept;
void after_switch(fiber& self) noexcept;
#endif

/// THE switch: suspends `from`, which must be the fiber that runs now, and resumes `to`. Every other switch in the
/// library goes through here.
#if defined(TOMBOLO_TSAN)
// The announcement and the jump must share one uninstrumented frame: an instrumented one would pop the wrong shadow stack.
__attribute__((no_sanitize("thread"), noinline)) void switch_fiber(fiber& from, fiber& to) noexcept;
#else
[[gnu::always_inline]] inline void switch_fiber(fiber& from, fiber& to) noexcept {
    exchange_exceptions(from, to);
    #if defined(TOMBOLO_ASAN)
    before_switch(&from, to);
    #endif
    switch_context(from.context, to.context);
    #if defined(TOMBOLO_ASAN)
    after_switch(from);
    #endif
}
#endif

/// The last switch of a finished fiber. Its record may already be gone and its stack released to the pool of this thread:
/// nothing reuses it before the jump.
[[noreturn]] void leave_for_good(fiber& to) noexcept;

}  // namespace tombolo::kernel
