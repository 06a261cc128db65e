#pragma once

#include <tombolo/fibers/capturing_task.hpp>
#include <tombolo/fibers/nursery.hpp>

#include <concepts>
#include <cstddef>
#include <deque>
#include <ranges>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace tombolo {

/// Calls every function in a task of its own, at the same time, and returns their results as a tuple, in the order of the
/// functions: `auto [a, b] = all_of(f, g);`. A void function has std::monostate there.
///
/// The first error cancels the others. Functions are used by reference, results come back by value or by the reference that
/// they are.
///
/// Checkpoint: leaving always lets others run. Cancellation: cancels all of them.
/// Throws: one exception_group with all errors, as open_nursery; not_in_task and its kin.
template <class... F>
    requires(std::invocable<F&> && ...)
auto all_of(F&&... functions) -> std::tuple<kernel::value_or_monostate<std::invoke_result_t<F&>>...> {
    (kernel::require_callable(functions, "all_of"), ...);
    std::tuple<result_box<std::invoke_result_t<F&>>...> results;
    std::apply(
        [&](auto&... into) {
            open_nursery(
                [&](nursery& n) { (n.start_soon(kernel::capturing_task<F>{std::addressof(functions), &into}), ...); });
        },
        results);
    return std::apply(
        [](auto&... from) {
            return std::tuple<kernel::value_or_monostate<std::invoke_result_t<F&>>...>(kernel::take_value(from)...);
        },
        results);
}

/// The same for functions that are known when the program runs: a vector of results, in the order of the range; nothing for
/// void functions.
/// Checkpoint: leaving always lets others run. Cancellation: cancels all of them. Throws: as above; what walking the range
/// throws.
template <kernel::range_of_functions Functions>
auto all_of(Functions&& functions) {
    using function = std::remove_reference_t<std::ranges::range_reference_t<Functions>>;
    using result = std::invoke_result_t<function&>;
    for (auto& each : functions) kernel::require_callable(each, "all_of");
    std::deque<result_box<result>> results;
    open_nursery([&](nursery& n) {
        for (function& each : functions)
            n.start_soon(kernel::capturing_task<function&>{std::addressof(each), &results.emplace_back()});
    });
    if constexpr (!std::is_void_v<result>) {
        std::vector<std::remove_cvref_t<result>> values;
        values.reserve(results.size());
        for (auto& from : results) values.push_back(from.take());
        return values;
    }
}

}  // namespace tombolo
