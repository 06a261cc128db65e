#pragma once

#include <cstddef>
#include <cstring>
#include <functional>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>

namespace tombolo {

template <class Signature>
class unique_function;

namespace kernel {

// How a callable is moved and destroyed. A null member means that the bytes say it all: copied, or forgotten.
struct callable_operations {
    void (*relocate)(void* from, void* to) noexcept;
    void (*destroy)(void* callable) noexcept;
};

template <class Callable>
inline constexpr callable_operations operations_in_place = {
    std::is_trivially_copyable_v<Callable>
        ? nullptr
        : +[](void* from, void* to) noexcept {
              auto* const source = static_cast<Callable*>(from);
              ::new (to) Callable(std::move(*source));
              std::destroy_at(source);
          },
    std::is_trivially_destructible_v<Callable>
        ? nullptr
        : +[](void* callable) noexcept { std::destroy_at(static_cast<Callable*>(callable)); }};

template <class Callable>
inline constexpr callable_operations operations_on_heap = {
    nullptr, +[](void* pointer) noexcept { delete *static_cast<Callable**>(pointer); }};

template <class Type>
inline constexpr bool is_unique_function = false;
template <class Signature>
inline constexpr bool is_unique_function<unique_function<Signature>> = true;

}  // namespace kernel

// A callable that is owned, moved, and never copied: what a task runs, what a callback does. Six words of captures
// are held in place; larger callables, over-aligned ones and those whose move may throw are held on the heap, so that
// moving a unique_function never throws and never allocates. Use std::function where copies are needed.
template <class Result, class... Args>
class unique_function<Result(Args...)> {
    static constexpr std::size_t inline_size = 6 * sizeof(void*);

    template <class Callable>
    static constexpr bool fits_in_place = sizeof(Callable) <= inline_size &&
        alignof(Callable) <= alignof(std::max_align_t) && std::is_nothrow_move_constructible_v<Callable>;

public:
    unique_function() noexcept = default;
    unique_function(std::nullptr_t) noexcept {}

    // A null pointer to a function or member, and an empty unique_function of another signature, make an empty one.
    template <class Function, class Callable = std::decay_t<Function>>
        requires(!std::is_same_v<Callable, unique_function>) &&
        // Asked first: for types that are constructed from a unique_function the second question leads back here.
        (std::is_invocable_r_v<Result, Callable&, Args...>) && (std::is_constructible_v<Callable, Function>)
    unique_function(Function&& function) {
        if constexpr (std::is_pointer_v<std::remove_cvref_t<Function>> || std::is_member_pointer_v<Callable>) {
            if (function == nullptr) {
                return;
            }
        } else if constexpr (kernel::is_unique_function<Callable>) {
            if (!function) {
                return;
            }
        }
        if constexpr (fits_in_place<Callable>) {
            ::new (static_cast<void*>(storage_)) Callable(std::forward<Function>(function));
            operations_ = &kernel::operations_in_place<Callable>;
            invoke_ = [](void* storage, parameter<Args>... args) -> Result {
                return call(*std::launder(static_cast<Callable*>(storage)), std::forward<Args>(args)...);
            };
        } else {
            ::new (static_cast<void*>(storage_)) Callable*(new Callable(std::forward<Function>(function)));
            operations_ = &kernel::operations_on_heap<Callable>;
            invoke_ = [](void* storage, parameter<Args>... args) -> Result {
                return call(**std::launder(static_cast<Callable**>(storage)), std::forward<Args>(args)...);
            };
        }
    }

    unique_function(unique_function&& other) noexcept { take(other); }
    unique_function& operator=(unique_function&& other) noexcept {
        if (this != &other) {
            clear();
            take(other);
        }
        return *this;
    }
    unique_function& operator=(std::nullptr_t) noexcept {
        clear();
        return *this;
    }
    ~unique_function() {
        if (operations_ != nullptr && operations_->destroy != nullptr) {
            operations_->destroy(storage_);
        }
    }

    explicit operator bool() const noexcept { return operations_ != nullptr; }

    // Throws: std::bad_function_call when empty; otherwise what the callable throws.
    Result operator()(Args... args) { return invoke_(storage_, std::forward<Args>(args)...); }

private:
    // Scalars travel in registers; everything else by reference to the parameter of operator().
    template <class Arg>
    using parameter = std::conditional_t<std::is_scalar_v<Arg>, Arg, Arg&&>;

    template <class Callable>
    static Result call(Callable& callable, Args&&... args) {
        if constexpr (std::is_void_v<Result>) {
            static_cast<void>(std::invoke(callable, std::forward<Args>(args)...));
        } else {
            return std::invoke(callable, std::forward<Args>(args)...);
        }
    }

    [[noreturn]] static Result throw_empty(void*, parameter<Args>...) { throw std::bad_function_call(); }

    // The callable is destroyed last, when this object is empty already: its destructor may look at us.
    void clear() noexcept { unique_function dying(std::move(*this)); }

    // Requires: *this is empty.
    void take(unique_function& other) noexcept {
        if (other.operations_ == nullptr) {
            return;
        }
        if (other.operations_->relocate != nullptr) {
            other.operations_->relocate(other.storage_, storage_);
        } else {
            std::memcpy(storage_, other.storage_, inline_size);
        }
        operations_ = std::exchange(other.operations_, nullptr);
        invoke_ = std::exchange(other.invoke_, &throw_empty);
    }

    // Invariant: operations_ is null exactly when there is no callable, and then invoke_ is throw_empty.
    alignas(std::max_align_t) std::byte storage_[inline_size];
    Result (*invoke_)(void*, parameter<Args>...) = &throw_empty;
    const kernel::callable_operations* operations_ = nullptr;
};

}  // namespace tombolo
