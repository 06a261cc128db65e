#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

namespace tombolo {

/// Room for what a body returns, so that the code around bodies is written once for values, references and void.
template <class T>
class result_box {
public:
    template <class F, class... Args>
    void capture(F&& f, Args&&... args) {
        value_.emplace(std::invoke(std::forward<F>(f), std::forward<Args>(args)...));
    }
    bool has_value() const noexcept { return value_.has_value(); }
    T take() { return std::move(*value_); }
    std::optional<T> take_optional() { return std::move(value_); }

private:
    std::optional<T> value_;
};

template <class T>
class result_box<T&> {
public:
    template <class F, class... Args>
    void capture(F&& f, Args&&... args) {
        value_ = std::addressof(std::invoke(std::forward<F>(f), std::forward<Args>(args)...));
    }
    bool has_value() const noexcept { return value_ != nullptr; }
    T& take() noexcept { return *value_; }
    T* take_optional() noexcept { return value_; }

private:
    T* value_ = nullptr;
};

template <>
class result_box<void> {
public:
    template <class F, class... Args>
    void capture(F&& f, Args&&... args) {
        std::invoke(std::forward<F>(f), std::forward<Args>(args)...);
        finished_ = true;
    }
    bool has_value() const noexcept { return finished_; }
    void take() const noexcept {}
    bool take_optional() const noexcept { return finished_; }

private:
    bool finished_ = false;
};

}  // namespace tombolo
