#pragma once

#include <tombolo/fibers/count.hpp>
#include <tombolo/fibers/nursery.hpp>
#include <tombolo/fibers/result_box.hpp>

#include <concepts>
#include <cstddef>
#include <deque>
#include <functional>
#include <iterator>
#include <memory>
#include <ranges>
#include <type_traits>
#include <utility>
#include <vector>

namespace tombolo {

namespace kernel {

/// Lets no more than so many tasks run at a time; one task waits to start more.
///
/// Invariants:
/// 1. running_ <= limit_.
/// 2. starter_ waits <=> it is not null, and then running_ == limit_.
class running_tasks {
public:
    explicit running_tasks(std::size_t limit) noexcept : limit_(limit) {}
    running_tasks(const running_tasks&) = delete;
    running_tasks& operator=(const running_tasks&) = delete;

    /// Waits until one more may run. Throws: cancelled, also when it need not wait.
    void wait_for_room();
    void begin_one() noexcept { ++running_; }
    void end_one();

private:
    std::size_t limit_;
    std::size_t running_ = 0;
    task* starter_ = nullptr;
};

/// Throws: invalid_count for zero.
std::size_t require_some(std::size_t limit, const char* what);

/// How an element of a range gets to its task: by reference where it outlives the walk, otherwise as a value of the task's own,
/// moved where it cannot be copied.
template <class Range>
inline constexpr bool elements_stay =
    std::ranges::forward_range<Range> && std::is_lvalue_reference_v<std::ranges::range_reference_t<Range>>;

template <class Range>
class carried_element {
    using reference = std::ranges::range_reference_t<Range>;
    using iterator = std::ranges::iterator_t<Range>;
    using value = std::ranges::range_value_t<Range>;

    static decltype(auto) read(const iterator& at) {
        if constexpr (!std::is_lvalue_reference_v<reference> || std::constructible_from<value, reference>)
            return *at;
        else
            return std::ranges::iter_move(at);
    }

public:
    explicit carried_element(const iterator& at) : value_(read(at)) {}

    template <class F>
    decltype(auto) give_to(F& f) {
        if constexpr (std::invocable<F&, value>)
            return std::invoke(f, std::move(value_));
        else
            return std::invoke(f, value_);
    }

private:
    value value_;
};

template <class Range>
    requires elements_stay<Range>
class carried_element<Range> {
    using reference = std::ranges::range_reference_t<Range>;

public:
    explicit carried_element(const std::ranges::iterator_t<Range>& at) : element_(std::addressof(*at)) {}

    template <class F>
    decltype(auto) give_to(F& f) {
        return std::invoke(f, static_cast<reference>(*element_));
    }

private:
    std::remove_reference_t<reference>* element_;
};

template <class Range, class F>
using mapped = decltype(std::declval<carried_element<Range>&>().give_to(std::declval<F&>()));

template <class Range, class F>
struct mapping_task {
    using named_after = std::decay_t<F>;

    void operator()() {
        into->capture([this]() -> mapped<Range, F> { return element.give_to(*function); });
        running->end_one();  // not after an error: then no other one begins
    }

    carried_element<Range> element;
    std::remove_reference_t<F>* function;
    result_box<mapped<Range, F>>* into;
    running_tasks* running;
};

}  // namespace kernel

/// Calls `f(element)` for every element of `range`, each in a task of its own, at most `limit` at a time, and returns the
/// results as a vector, in the order of the range; nothing if `f` returns void.
///
/// The range is walked in the calling task, and only when there is room for another task: it may be an input range, endless
/// until something is cancelled, or one that blocks, such as a receiver. Elements that stay where they are while the range
/// is walked are passed by reference; all others are moved or copied into their task. `f` is used by reference, by many
/// tasks at a time.
///
/// The first error cancels all others, and no further element is asked for.
///
/// Checkpoint: leaving always lets others run. Cancellation: cancels all of them; no further element is asked for.
/// Throws: invalid_count when `limit` is less than 1; one exception_group with all errors, as open_nursery, those of walking
/// the range included; not_in_task and its kin.
template <std::ranges::input_range Range, class F>
auto map_concurrently(Range&& range, integer auto limit, F&& f) {
    using result = kernel::mapped<Range, F>;
    constexpr const char* what = "map_concurrently: the limit";
    kernel::running_tasks running(kernel::require_some(to_count(limit, what), what));
    std::deque<result_box<result>> results;
    open_nursery([&](nursery& n) {
        running.wait_for_room();
        auto at = std::ranges::begin(range);
        while (at != std::ranges::end(range)) {
            auto& into = results.emplace_back();
            n.start_soon(
                kernel::mapping_task<Range, F>{kernel::carried_element<Range>(at), std::addressof(f), &into, &running});
            running.begin_one();
            running.wait_for_room();
            ++at;
        }
    });
    if constexpr (!std::is_void_v<result>) {
        std::vector<std::remove_cvref_t<result>> values;
        values.reserve(results.size());
        for (auto& from : results) values.push_back(from.take());
        return values;
    }
}

}  // namespace tombolo
