#pragma once

#include <concepts>
#include <functional>
#include <memory>
#include <type_traits>

namespace tombolo::kernel {

/// True for callables that can be empty and are: null pointers, empty std::function and unique_function.
template <class F>
bool is_empty_callable(const F& callable) noexcept {
    if constexpr (std::is_pointer_v<F> || std::is_member_pointer_v<F>) return callable == nullptr;
    // Explicitly convertible to bool, as function wrappers are; a lambda converts implicitly, by way of a function pointer.
    else if constexpr (std::is_constructible_v<bool, const F&> && !std::is_convertible_v<const F&, bool>)
        return !static_cast<bool>(callable);
    else
        return false;
}

[[noreturn]] void throw_empty_function(const char* what);

/// The address of a callable as a plain pointer, whether it is an object or a function.
template <class F>
void* address_of_callable(F& callable) noexcept {
    if constexpr (std::is_function_v<F>)
        return reinterpret_cast<void*>(&callable);
    else
        return const_cast<void*>(static_cast<const void*>(std::addressof(callable)));
}

template <class F>
std::remove_reference_t<F>& callable_at(void* address) noexcept {
    using callable = std::remove_reference_t<F>;
    if constexpr (std::is_function_v<callable>)
        return *reinterpret_cast<callable*>(address);
    else
        return *static_cast<callable*>(address);
}

/// A reference to a callable that outlives the call: how thin templates reach the code behind them.
template <class Signature>
class function_ref;

template <class Result, class... Args>
class function_ref<Result(Args...)> {
public:
    template <class F>
        requires(!std::same_as<std::remove_cvref_t<F>, function_ref>)
    function_ref(F& callable) noexcept
        : context_(address_of_callable(callable)), invoke_([](void* context, Args... args) -> Result {
              return std::invoke(callable_at<F>(context), static_cast<Args>(args)...);
          }) {}
    Result operator()(Args... args) const { return invoke_(context_, static_cast<Args>(args)...); }

private:
    void* context_;
    Result (*invoke_)(void*, Args...);
};

using callable_ref = function_ref<void()>;

}  // namespace tombolo::kernel
