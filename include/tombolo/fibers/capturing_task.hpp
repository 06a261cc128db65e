#pragma once

#include <tombolo/fibers/kernel/callable_ref.hpp>
#include <tombolo/fibers/result_box.hpp>

#include <concepts>
#include <functional>
#include <ranges>
#include <type_traits>
#include <variant>

namespace tombolo::kernel {

/// What a task runs that only computes a value for somebody who waits for it. Task trees name it after the callable.
template <class F>
struct capturing_task {
    using named_after = std::decay_t<F>;
    using result = std::invoke_result_t<F&>;

    void operator()() const { into->capture(*function); }

    std::remove_reference_t<F>* function;
    result_box<result>* into;
};

/// std::monostate for void.
template <class T>
using value_or_monostate = std::conditional_t<std::is_void_v<T>, std::monostate, T>;

template <class T>
value_or_monostate<T> take_value(result_box<T>& from) {
    if constexpr (std::is_void_v<T>)
        return {};
    else
        return from.take();
}

template <class F>
void require_callable(const F& function, const char* what) {
    if constexpr (!std::is_function_v<F>)
        if (is_empty_callable(function)) throw_empty_function(what);
}

/// Functions that stay where they are while the range is walked.
template <class Functions>
concept range_of_functions =
    std::ranges::forward_range<Functions> && std::is_lvalue_reference_v<std::ranges::range_reference_t<Functions>> &&
    std::invocable<std::ranges::range_reference_t<Functions>>;

}  // namespace tombolo::kernel
