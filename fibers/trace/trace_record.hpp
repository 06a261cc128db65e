#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace tombolo::kernel {

/// What a trace record tells. `actor` is the task in whose step it happened, by its number in the page; 0: none.
enum class record_kind : std::uint8_t {
    task,      ///< introduces a task to this page. a: id; b: its function's type_info; text: its name, if it has one
    step,      ///< a: length; b: where it parked (const char*), 0 for a yield or the end; detail: step_end
    wake,      ///< a: id of the task that became runnable
    spawn,     ///< a: id of the new task
    idle,      ///< the run waited for events. a: length; b: nanoseconds that it would have waited at most
    delivery,  ///< the run loop woke tasks. a: length
    sample,    ///< a: runnable tasks; b: living tasks
    nursery_open,     ///< found open. a: address of its scope
    nursery_entered,  ///< a: address of its scope
    nursery_exited,   ///< a: address of its scope; detail: whether it absorbed a cancellation
    scope_entered,    ///< a: address; b: nanoseconds to its deadline, no_deadline; detail: whether it is shielded
    scope_exited,     ///< a: address; detail: whether it absorbed a cancellation
    scope_cancelled,  ///< a: address; detail: cancel_source; text: the source task's name, a zero, the reason
    run_began,        ///< a: which run; detail: whether the recorder came late
};

enum class step_end : std::uint8_t { yielded, parked, exited };

inline constexpr std::uint64_t no_deadline = UINT64_MAX;

/// The unit of a trace's memory. Text lies in the slots right behind its record.
struct trace_record {
    std::uint64_t time;
    std::uint64_t a;
    std::uint64_t b;
    std::uint32_t actor;
    std::uint16_t text_size;
    record_kind kind;
    std::uint8_t detail;

    std::string_view text() const noexcept { return {reinterpret_cast<const char*>(this + 1), text_size}; }
};
static_assert(sizeof(trace_record) == 32);

/// Names and reasons are cut there.
inline constexpr std::size_t longest_text = 512;

constexpr std::size_t slots_for(std::size_t text_size) noexcept {
    return 1 + (text_size + sizeof(trace_record) - 1) / sizeof(trace_record);
}

}  // namespace tombolo::kernel
