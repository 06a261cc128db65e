#pragma once

#include <exception>
#include <functional>
#include <memory>
#include <stdexcept>
#include <type_traits>
#include <utility>

namespace tombolo {

namespace kernel {

inline std::exception_ptr require_error(std::exception_ptr error) {
    if (!error) [[unlikely]] {
        throw std::invalid_argument(
            "outcome: the exception_ptr is null, so it is no error; give std::current_exception() from inside a catch "
            "block, or construct the outcome from a value");
    }
    return error;
}

}  // namespace kernel

// How a call ended: with a value or with an exception. The currency in which tasks and threads hand results to each
// other; opening it again with value() returns or throws exactly what the call did.
//
// For T that may be const, a reference or std::exception_ptr there is no outcome; wrap it.
template <class T = void>
class [[nodiscard]] outcome {
    static_assert(
        std::is_object_v<T> && !std::is_const_v<T> && !std::is_same_v<T, std::exception_ptr>,
        "outcome<T> holds plain object types; use a pointer for a reference, a struct for an exception_ptr");

public:
    using value_type = T;

    template <class U = T>
        requires(
            std::is_convertible_v<U, T> && !std::is_same_v<std::remove_cvref_t<U>, outcome> &&
            !std::is_same_v<std::remove_cvref_t<U>, std::exception_ptr>)
    outcome(U&& value) noexcept(std::is_nothrow_constructible_v<T, U>) : value_(std::forward<U>(value)) {}

    // Throws: std::invalid_argument when `error` is null.
    outcome(std::exception_ptr error) : error_(kernel::require_error(std::move(error))) {}

    outcome(outcome&& other) noexcept(std::is_nothrow_move_constructible_v<T>) : error_(other.error_) {
        if (!error_) {
            std::construct_at(std::addressof(value_), std::move(other.value_));
        }
    }
    outcome(const outcome& other)
        requires std::is_copy_constructible_v<T>
        : error_(other.error_) {
        if (!error_) {
            std::construct_at(std::addressof(value_), other.value_);
        }
    }

    outcome& operator=(outcome&& other) noexcept(
        std::is_nothrow_move_constructible_v<T> && std::is_nothrow_move_assignable_v<T>)
        requires std::is_move_assignable_v<T>
    {
        assign(std::move(other));
        return *this;
    }
    outcome& operator=(const outcome& other)
        requires(std::is_copy_constructible_v<T> && std::is_copy_assignable_v<T>)
    {
        assign(other);
        return *this;
    }

    ~outcome() {
        if (!error_) {
            std::destroy_at(std::addressof(value_));
        }
    }

    // Calls `function` and keeps what comes of it.
    template <class Function, class... Args>
    static outcome capture(Function&& function, Args&&... args) {
        try {
            return outcome(std::invoke(std::forward<Function>(function), std::forward<Args>(args)...));
        } catch (...) {
            return outcome(std::current_exception());
        }
    }

    [[nodiscard]] bool has_value() const noexcept { return !error_; }

    // The value; throws the error when there is none.
    T value() && {
        rethrow_error();
        return std::move(value_);
    }
    const T& value() const& {
        rethrow_error();
        return value_;
    }

    // The error; null when there is a value.
    [[nodiscard]] const std::exception_ptr& error() const& noexcept { return error_; }
    [[nodiscard]] std::exception_ptr error() && noexcept { return error_; }

private:
    void rethrow_error() const {
        if (error_) [[unlikely]] {
            std::rethrow_exception(error_);
        }
    }

    template <class Other>
    void assign(Other&& other) {
        if (this == std::addressof(other)) {
            return;
        }
        if (other.error_) {
            if (!error_) {
                std::destroy_at(std::addressof(value_));
            }
            error_ = other.error_;
        } else if (error_) {
            std::construct_at(std::addressof(value_), std::forward<Other>(other).value_);
            error_ = nullptr;
        } else {
            value_ = std::forward<Other>(other).value_;
        }
    }

    // Invariant: value_ is alive exactly while error_ is null. So a move copies the error, or the other would seem to
    // hold a value.
    std::exception_ptr error_;
    union {
        T value_;
    };
};

// Success, or an exception.
template <>
class [[nodiscard]] outcome<void> {
public:
    using value_type = void;

    outcome() noexcept = default;

    // Throws: std::invalid_argument when `error` is null.
    outcome(std::exception_ptr error) : error_(kernel::require_error(std::move(error))) {}

    outcome(const outcome&) noexcept = default;
    outcome& operator=(const outcome&) noexcept = default;
    ~outcome() = default;

    // Calls `function` and keeps whether it threw; a value that it returns is dropped.
    template <class Function, class... Args>
    static outcome capture(Function&& function, Args&&... args) noexcept {
        try {
            static_cast<void>(std::invoke(std::forward<Function>(function), std::forward<Args>(args)...));
            return {};
        } catch (...) {
            return outcome(std::current_exception());
        }
    }

    [[nodiscard]] bool has_value() const noexcept { return !error_; }

    // Returns, or throws the error.
    void value() const {
        if (error_) [[unlikely]] {
            std::rethrow_exception(error_);
        }
    }

    // The error; null when there is none.
    [[nodiscard]] const std::exception_ptr& error() const& noexcept { return error_; }
    [[nodiscard]] std::exception_ptr error() && noexcept { return error_; }

private:
    std::exception_ptr error_;
};

}  // namespace tombolo
