#include "fibers/context/fiber_backtrace.hpp"

#include <cstddef>
#include <cstdint>
#include <cstring>

#if !defined(TOMBOLO_SWITCH_BOOST) && defined(__x86_64__)
    #include <unwind.h>
#endif

namespace tombolo::kernel {

#if defined(TOMBOLO_SWITCH_BOOST)

std::vector<void*> backtrace_of(const fiber&) { return {}; }

#elif defined(__x86_64__)

namespace {

constexpr std::size_t most_frames = 128;

/// The unwinder starts where it is called. So the suspended fiber is made to call it: a frame is laid below its innermost
/// one, with the point of suspension as its return address, and the frame below that runs the probe and comes back.
struct probe {
    saved_context called;  // first: the entry gets its address
    saved_context caller;
    void* frames[most_frames];
    std::size_t count = 0;
};

_Unwind_Reason_Code note_frame(_Unwind_Context* context, void* argument) {
    auto& found = *static_cast<probe*>(argument);
    void* address = reinterpret_cast<void*>(_Unwind_GetIP(context));
    if (address == nullptr || found.count == most_frames) return _URC_END_OF_STACK;
    found.frames[found.count++] = address;
    return _URC_NO_REASON;
}

__attribute__((noinline, no_sanitize("address", "thread", "undefined"))) void run_probe(saved_context* called) {
    auto* found = reinterpret_cast<probe*>(called);
    _Unwind_Backtrace(note_frame, found);
    saved_context abandoned;
    switch_context(abandoned, found->caller);
    __builtin_trap();
}

}  // namespace

__attribute__((no_sanitize("address", "thread", "undefined"))) std::vector<void*> backtrace_of(const fiber& suspended) {
    constexpr std::ptrdiff_t room_for_unwinder = 12 * 1024;
    constexpr std::size_t red_zone = 128;
    auto* innermost = static_cast<std::byte*>(suspended.context.stack_pointer);
    if (suspended.memory == nullptr || innermost - suspended.memory->base < room_for_unwinder) return {};
    std::byte kept[red_zone];
    std::memcpy(kept, innermost - red_zone, red_zone);
    void* resume_at = suspended.context.resume_at;
    std::memcpy(innermost - sizeof(void*), &resume_at, sizeof(void*));

    probe found;
    found.called = {reinterpret_cast<void*>(run_probe), innermost - sizeof(void*), suspended.context.frame_pointer};
    switch_context(found.caller, found.called);

    std::memcpy(innermost - red_zone, kept, red_zone);
    // The first frame is the probe's.
    return found.count == 0 ? std::vector<void*>{} : std::vector<void*>(found.frames + 1, found.frames + found.count);
}

#else

std::vector<void*> backtrace_of(const fiber& suspended) {
    // AAPCS64 code keeps a chain of frame records: {caller's record, return address}.
    std::vector<void*> frames{suspended.context.resume_at};
    auto* record = static_cast<void**>(suspended.context.frame_pointer);
    const auto inside = [&](void** at) {
        auto* address = reinterpret_cast<std::byte*>(at);
        return suspended.memory != nullptr && address >= suspended.memory->base &&
            address + 2 * sizeof(void*) <= suspended.memory->top;
    };
    while (inside(record) && record[1] != nullptr && frames.size() < 128) {
        frames.push_back(record[1]);
        auto* outer = static_cast<void**>(record[0]);
        if (outer <= record) break;
        record = outer;
    }
    return frames;
}

#endif

}  // namespace tombolo::kernel
