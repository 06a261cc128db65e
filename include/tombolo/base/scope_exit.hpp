#pragma once

#include <type_traits>
#include <utility>

namespace tombolo {

// A guard that calls a function when the enclosing block is left, however it is left. For exits that neither block,
// throw nor swallow; everything else takes a body instead (see cancel_scope::run, open_nursery).
//
// Requires: the function does not throw; if it does, the process terminates.
template <class Function>
class [[nodiscard]] scope_exit {
public:
    explicit scope_exit(Function function) noexcept(std::is_nothrow_move_constructible_v<Function>)
        : function_(std::move(function)) {}
    scope_exit(const scope_exit&) = delete;
    scope_exit& operator=(const scope_exit&) = delete;

    ~scope_exit() {
        if (armed_) {
            function_();
        }
    }

    // Calls the function no more: the work it would undo is to stay.
    void release() noexcept { armed_ = false; }

private:
    Function function_;
    bool armed_ = true;
};

}  // namespace tombolo
