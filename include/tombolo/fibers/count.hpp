#pragma once

#include <concepts>
#include <cstddef>
#include <string>
#include <type_traits>
#include <utility>

namespace tombolo {

/// What counts, capacities and limits are given as: any integer type. A double or a bool does not compile.
template <class T>
concept integer = std::integral<T> && !std::same_as<std::remove_cv_t<T>, bool>;

namespace kernel {
[[noreturn]] void throw_negative_count(const char* what, const std::string& value);
}  // namespace kernel

/// `value` as a count of things; `what` names it in the error text.
/// Throws: invalid_count when it is negative.
constexpr std::size_t to_count(integer auto value, const char* what) {
    if (!std::in_range<std::size_t>(value)) kernel::throw_negative_count(what, std::to_string(value));
    return static_cast<std::size_t>(value);
}

}  // namespace tombolo
