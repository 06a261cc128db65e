#pragma once

#include <tombolo/fibers/errors.hpp>
#include <tombolo/fibers/park.hpp>

#include <optional>
#include <utility>

// What tests of cancellation ask and do again and again.
namespace tombolo::testing {

/// The reason of the `cancelled` that `f` throws, nothing when it returns. The `cancelled` is swallowed.
template <class F>
std::optional<cancel_reason> cancellation_of(F&& f) {
    try {
        std::forward<F>(f)();
    } catch (const cancelled& error) {
        return cancel_reason{error.source(), error.reason(), error.source_task()};
    }
    return std::nullopt;
}

template <class F>
bool is_cancelled_in(F&& f) {
    return cancellation_of(std::forward<F>(f)).has_value();
}

/// Parks until rescheduled, whatever is cancelled meanwhile.
template <class T = void>
T park_stubbornly() {
    return lowlevel::park<T>([](const lowlevel::raise_cancel&) { return lowlevel::abort::failed; });
}

/// Parks until rescheduled or cancelled.
template <class T = void>
T park_willingly() {
    return lowlevel::park<T>([](const lowlevel::raise_cancel&) { return lowlevel::abort::succeeded; });
}

}  // namespace tombolo::testing
