#pragma once

#include <tombolo/fibers/kernel/callable_ref.hpp>

#include <cstddef>
#include <functional>
#include <memory>
#include <new>
#include <string_view>
#include <type_traits>
#include <typeinfo>
#include <utility>

namespace tombolo {

class nursery;
class task;

struct spawn_options {
    /// Shown in task trees, error texts and cancel reasons; copied. Empty: the callable's type names the task.
    std::string_view name = {};
    /// Units: bytes. 0: the run's stack size. Otherwise as run_options.stack_size.
    std::size_t stack_size = 0;
};

namespace kernel {

/// How the kernel treats a callable that it stores behind a task record.
struct body_operations {
    void (*invoke)(void* body);
    void (*destroy)(void* body) noexcept;
    std::size_t size;
    const std::type_info* type;
};

/// The type that names a task: wrappers say which callable they stand for.
template <class F>
constexpr const std::type_info* naming_type() noexcept {
    if constexpr (requires { typename F::named_after; })
        return naming_type<typename F::named_after>();
    else
        return &typeid(F);
}

template <class F>
inline constexpr body_operations body_operations_for{
    [](void* body) { std::invoke(*static_cast<F*>(body)); },
    [](void* body) noexcept { static_cast<F*>(body)->~F(); },
    sizeof(F),
    naming_type<F>(),
};

/// A callable too big or too strictly aligned to sit behind a task record.
template <class F>
struct boxed_body {
    using named_after = F;
    std::unique_ptr<F> callable;
    void operator()() { std::invoke(*callable); }
};

inline constexpr std::size_t largest_inline_body = 1024;

/// The two halves of a spawn: room for the body, with every check made; then, once the body sits there, the task.
void* prepare_spawn(nursery& parent, const body_operations& operations, const spawn_options& options);
task& commit_spawn(void* body) noexcept;
void abandon_spawn(void* body) noexcept;

template <class F>
task& spawn(nursery& parent, F&& callable, const spawn_options& options) {
    using stored = std::decay_t<F>;
    if constexpr (!std::is_function_v<std::remove_reference_t<F>>)
        if (is_empty_callable(callable)) throw_empty_function("start_soon");
    if constexpr (sizeof(stored) > largest_inline_body || alignof(stored) > alignof(std::max_align_t)) {
        return spawn(parent, boxed_body<stored>{std::make_unique<stored>(std::forward<F>(callable))}, options);
    } else {
        void* body = prepare_spawn(parent, body_operations_for<stored>, options);
        if constexpr (std::is_nothrow_constructible_v<stored, F>) {
            ::new (body) stored(std::forward<F>(callable));
        } else {
            try {
                ::new (body) stored(std::forward<F>(callable));
            } catch (...) {
                abandon_spawn(body);
                throw;
            }
        }
        return commit_spawn(body);
    }
}

using spawn_ref = function_ref<task&(nursery&)>;

}  // namespace kernel
}  // namespace tombolo
