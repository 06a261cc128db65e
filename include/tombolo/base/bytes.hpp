#pragma once

#include <cstddef>
#include <ranges>
#include <span>
#include <string_view>
#include <type_traits>

namespace tombolo {

namespace kernel {
template <class T>
concept byte_like = sizeof(T) == 1 && std::is_trivially_copyable_v<T> && !std::is_same_v<std::remove_cv_t<T>, bool>;

template <class R>
concept byte_range = std::ranges::contiguous_range<R> && std::ranges::sized_range<R> &&
    byte_like<std::remove_reference_t<std::ranges::range_reference_t<R>>>;

template <class R>
concept writable_byte_range =
    byte_range<R> && !std::is_const_v<std::remove_reference_t<std::ranges::range_reference_t<R>>>;
}  // namespace kernel

/// A view of bytes to be read, made from any contiguous range of one-byte elements: a string, a vector of unsigned char, a
/// span of std::byte. A string literal stands for its text without the zero at its end.
///
/// Lifetime: that of what it was made from.
class const_bytes : public std::span<const std::byte> {
public:
    constexpr const_bytes() noexcept = default;
    const_bytes(const void* data, std::size_t size) noexcept : span(static_cast<const std::byte*>(data), size) {}
    /// All of a constant array of characters, but for a zero at its very end.
    template <std::size_t N>
    const_bytes(const char (&text)[N]) noexcept : const_bytes(text, text[N - 1] == '\0' ? N - 1 : N) {}
    /// A text that ends with its first zero.
    template <class P>
        requires std::is_same_v<std::decay_t<P>, const char*> ||
        std::is_same_v<std::decay_t<P>, char*>
    const_bytes(P&& text) noexcept  // NOLINT(bugprone-forwarding-reference-overload)
        requires(!std::is_array_v<std::remove_reference_t<P>>)
        : const_bytes(std::string_view(text)) {}
    template <kernel::byte_range R>
        requires(
            !std::is_same_v<std::remove_cvref_t<R>, const_bytes> &&
            !(std::is_array_v<std::remove_reference_t<R>> &&
              std::is_same_v<std::ranges::range_reference_t<R>, const char&>))
    const_bytes(R&& range) noexcept  // NOLINT(bugprone-forwarding-reference-overload)
        : const_bytes(static_cast<const void*>(std::ranges::data(range)), std::ranges::size(range)) {}

    /// The same bytes as characters.
    [[nodiscard]] std::string_view text() const noexcept { return {reinterpret_cast<const char*>(data()), size()}; }
    /// Without the first `offset` bytes. Requires: there are so many.
    [[nodiscard]] const_bytes from(std::size_t offset) const noexcept { return {data() + offset, size() - offset}; }
    [[nodiscard]] const_bytes up_to(std::size_t count) const noexcept {
        return {data(), count < size() ? count : size()};
    }
};

/// A view of bytes to be written to, made from any contiguous range of one-byte elements that are not const.
///
/// Lifetime: that of what it was made from.
class mutable_bytes : public std::span<std::byte> {
public:
    constexpr mutable_bytes() noexcept = default;
    mutable_bytes(void* data, std::size_t size) noexcept : span(static_cast<std::byte*>(data), size) {}
    template <kernel::writable_byte_range R>
        requires(!std::is_same_v<std::remove_cvref_t<R>, mutable_bytes>)
    mutable_bytes(R&& range) noexcept  // NOLINT(bugprone-forwarding-reference-overload)
        : mutable_bytes(static_cast<void*>(std::ranges::data(range)), std::ranges::size(range)) {}

    [[nodiscard]] mutable_bytes from(std::size_t offset) const noexcept { return {data() + offset, size() - offset}; }
    [[nodiscard]] mutable_bytes up_to(std::size_t count) const noexcept {
        return {data(), count < size() ? count : size()};
    }
};

}  // namespace tombolo
