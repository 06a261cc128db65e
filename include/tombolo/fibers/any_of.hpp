#pragma once

#include <tombolo/fibers/capturing_task.hpp>
#include <tombolo/fibers/exception_group.hpp>
#include <tombolo/fibers/nursery.hpp>

#include <concepts>
#include <cstddef>
#include <deque>
#include <exception>
#include <iterator>
#include <memory>
#include <ranges>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace tombolo {

namespace kernel {

/// Several tasks of one nursery, of which the first to finish cancels the others.
///
/// Invariant: winner_ is the place of the first that finished; only its result counts.
class contest {
public:
    /// `failures_count`: a failure ends the contest, too; otherwise it puts out only the one who failed.
    contest(const char* name, bool failures_count) noexcept : name_(name), failures_count_(failures_count) {}

    /// Calls `compete()` in a task of `among`, as the competitor at `place`.
    template <class Compete>
    void enter(nursery& among, std::size_t place, const Compete& compete) {
        try {
            compete();
        } catch (const std::exception&) {
            if (failures_count_) throw;
            failures_.push_back(std::current_exception());
            return;
        } catch (const base_exception_group& group) {
            if (failures_count_) throw;
            return forget_failures_in(group);
        }
        finish(among, place);
    }

    /// Throws: one exception_group of all failures when nobody has finished.
    std::size_t winner();

private:
    void finish(nursery& among, std::size_t place);
    /// Throws: what in the group is no failure.
    void forget_failures_in(const base_exception_group& group);

    static constexpr std::size_t nobody = static_cast<std::size_t>(-1);
    const char* name_;
    bool failures_count_;
    std::size_t winner_ = nobody;
    std::vector<std::exception_ptr> failures_;
};

[[noreturn]] void throw_nobody_competes(const char* what);

template <class F>
struct competitor {
    using named_after = std::decay_t<F>;

    void operator()() const { in->enter(*among, place, task); }

    capturing_task<F> task;
    contest* in;
    nursery* among;
    std::size_t place;
};

template <class First, class... Rest>
struct first_result {
    using type =
        std::variant<value_or_monostate<std::remove_cvref_t<First>>, value_or_monostate<std::remove_cvref_t<Rest>>...>;
};
template <class First, class... Rest>
    requires(std::same_as<First, Rest> && ...)
struct first_result<First, Rest...> {
    using type = First;
};

template <class... F>
using first_result_t = typename first_result<std::invoke_result_t<F&>...>::type;

template <class Result, std::size_t Place = 0, class... Boxes>
Result take_winner(std::tuple<Boxes...>& results, std::size_t winner) {
    if constexpr (Place + 1 < sizeof...(Boxes))
        if (winner != Place) return take_winner<Result, Place + 1>(results, winner);
    auto& box = std::get<Place>(results);
    if constexpr (std::same_as<decltype(box.take()), Result>)
        return box.take();
    else
        return Result(std::in_place_index<Place>, take_value(box));
}

template <class... F>
auto hold(contest all, const char* name, F&... functions) -> first_result_t<F...> {
    (require_callable(functions, name), ...);
    std::tuple<result_box<std::invoke_result_t<F&>>...> results;
    std::apply(
        [&](auto&... into) {
            open_nursery([&](nursery& n) {
                std::size_t place = 0;
                (n.start_soon(competitor<F>{{std::addressof(functions), &into}, &all, &n, place++}), ...);
            });
        },
        results);
    return take_winner<first_result_t<F...>>(results, all.winner());
}

template <class Functions>
auto hold_for_range(contest all, const char* name, Functions& functions) {
    using function = std::remove_reference_t<std::ranges::range_reference_t<Functions>>;
    using result = std::invoke_result_t<function&>;
    if (std::ranges::empty(functions)) throw_nobody_competes(name);
    for (function& each : functions) require_callable(each, name);
    std::deque<result_box<result>> results;
    open_nursery([&](nursery& n) {
        for (function& each : functions) {
            auto& into = results.emplace_back();
            n.start_soon(competitor<function&>{{std::addressof(each), &into}, &all, &n, results.size() - 1});
        }
    });
    return static_cast<result>(results[all.winner()].take());
}

}  // namespace kernel

/// Calls every function in a task of its own, at the same time, and returns the first value that one of them returns:
/// `auto first = any_of(f, g);`. The others are cancelled and awaited. If all have the same result type, that is the type;
/// otherwise it is a std::variant with a place for each function, std::monostate for void.
///
/// An error (std::exception) puts out only the function that threw it, and is forgotten if another one returns; so are the
/// errors that cancelled functions throw while they end. Use race where an error shall decide, too.
///
/// Checkpoint: leaving always lets others run. Cancellation: cancels all of them.
/// Throws: when all fail, one exception_group with their errors in order of arrival; what is no std::exception, as
/// open_nursery; not_in_task and its kin.
template <class... F>
    requires(sizeof...(F) > 0) && (std::invocable<F&> && ...)
auto any_of(F&&... functions) -> kernel::first_result_t<F...> {
    return kernel::hold(kernel::contest("any_of", false), "any_of", functions...);
}

/// The same for functions that are known when the program runs.
/// Checkpoint: leaving always lets others run. Cancellation: cancels all of them. Throws: as above; invalid_count when the
/// range is empty.
template <kernel::range_of_functions Functions>
auto any_of(Functions&& functions) {
    return kernel::hold_for_range(kernel::contest("any_of", false), "any_of", functions);
}

/// any_of, but the first to end decides in any case: its error cancels the others, too.
/// Checkpoint: leaving always lets others run. Cancellation: cancels all of them.
/// Throws: one exception_group with all errors, as open_nursery; not_in_task and its kin.
template <class... F>
    requires(sizeof...(F) > 0) && (std::invocable<F&> && ...)
auto race(F&&... functions) -> kernel::first_result_t<F...> {
    return kernel::hold(kernel::contest("race", true), "race", functions...);
}

/// The same for functions that are known when the program runs.
/// Checkpoint: leaving always lets others run. Cancellation: cancels all of them. Throws: as above; invalid_count when the
/// range is empty.
template <kernel::range_of_functions Functions>
auto race(Functions&& functions) {
    return kernel::hold_for_range(kernel::contest("race", true), "race", functions);
}

}  // namespace tombolo
