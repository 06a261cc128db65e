#include "fibers/context/fiber.hpp"

#include <cxxabi.h>

namespace tombolo::kernel {

thread_local constinit exception_state* this_thread_exceptions = nullptr;

void remember_exception_state() noexcept {
    // Both libstdc++ and libc++abi lay out __cxa_eh_globals as {void* caughtExceptions; unsigned uncaughtExceptions;}.
    this_thread_exceptions = reinterpret_cast<exception_state*>(abi::__cxa_get_globals());
}

namespace {

fiber& fiber_of(saved_context* context) noexcept { return *reinterpret_cast<fiber*>(context); }

/// The word below the top of a fresh stack carries the fiber's main function to its first step.
fiber_main& main_of(stack& memory) noexcept { return *reinterpret_cast<fiber_main*>(memory.top - sizeof(void*)); }

void enter_fiber(saved_context* context) {
    TOMBOLO_END_OF_STACK();
    fiber& self = fiber_of(context);
#if defined(TOMBOLO_ASAN) || defined(TOMBOLO_TSAN)
    after_switch(self);
#endif
    main_of (*self.memory)(self);
    __builtin_trap();
}

}  // namespace

void prepare_fiber(fiber& target, stack& memory, fiber_main main) noexcept {
    target.memory = &memory;
    target.holds_exceptions = false;
    main_of(memory) = main;
    prepare_context(target.context, memory.top - 16, enter_fiber);
#if defined(TOMBOLO_ASAN)
    target.bottom = memory.base;
    target.size = static_cast<std::size_t>(memory.top - memory.base);
    target.fake_stack = nullptr;
#endif
#if defined(TOMBOLO_TSAN)
    target.tsan = __tsan_create_fiber(0);
#endif
}

void continue_on(fiber& next, stack& memory) noexcept {
    next.memory = &memory;
    mark_running(next.context);
#if defined(TOMBOLO_ASAN)
    next.bottom = memory.base;
    next.size = static_cast<std::size_t>(memory.top - memory.base);
#endif
#if defined(TOMBOLO_TSAN)
    next.tsan = __tsan_get_current_fiber();
#endif
}

#if defined(TOMBOLO_TSAN)

namespace {
/// A fiber can only be destroyed from another one: the last to leave waits here for the next to arrive.
thread_local void* departed_tsan_fiber = nullptr;
}  // namespace

void after_switch(fiber&) noexcept {
    if (departed_tsan_fiber != nullptr) {
        __tsan_destroy_fiber(departed_tsan_fiber);
        departed_tsan_fiber = nullptr;
    }
}

void switch_fiber(fiber& from, fiber& to) noexcept {
    exchange_exceptions(from, to);
    if (from.tsan == nullptr) from.tsan = __tsan_get_current_fiber();
    __tsan_switch_to_fiber(to.tsan, 0);
    switch_context(from.context, to.context);
    after_switch(from);
}

__attribute__((no_sanitize("thread"))) void leave_for_good(fiber& to) noexcept {
    fiber nobody;
    exchange_exceptions(nobody, to);
    departed_tsan_fiber = __tsan_get_current_fiber();
    saved_context discarded;
    __tsan_switch_to_fiber(to.tsan, 0);
    switch_context(discarded, to.context);
    __builtin_trap();
}

#else

    #if defined(TOMBOLO_ASAN)

namespace {
/// The side that left last: only the arriving side learns the bounds of the stack it came from, and a run may be
/// entered from a stack that nobody described to us.
thread_local fiber* departed_fiber = nullptr;
}  // namespace

void before_switch(fiber* from, fiber& to) noexcept {
    departed_fiber = from;
    __sanitizer_start_switch_fiber(from != nullptr ? &from->fake_stack : nullptr, to.bottom, to.size);
}

void after_switch(fiber& self) noexcept {
    const void* bottom = nullptr;
    std::size_t size = 0;
    __sanitizer_finish_switch_fiber(self.fake_stack, &bottom, &size);
    if (departed_fiber != nullptr) {
        departed_fiber->bottom = bottom;
        departed_fiber->size = size;
    }
}

    #endif

    #if defined(TOMBOLO_ASAN)
// Uninstrumented: its frame would lie on the fake stack, which the announcement below frees.
__attribute__((no_sanitize("address")))
    #endif
void leave_for_good(fiber& to) noexcept
{
    fiber nobody;
    exchange_exceptions(nobody, to);
    saved_context discarded;
    #if defined(TOMBOLO_ASAN)
    before_switch(nullptr, to);
    #endif
    switch_context(discarded, to.context);
    __builtin_trap();
}

#endif

}  // namespace tombolo::kernel
