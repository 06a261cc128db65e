#pragma once

#include <tombolo/fibers/exception_group.hpp>

#include <atomic>
#include <cstddef>
#include <exception>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace tombolo::kernel {

// What all copies of a group share. Immutable, except for the two members that say so.
struct group_state {
    std::string message;
    std::vector<std::exception_ptr> exceptions;
    bool loose = false;

    // Known from the start, so that a scope that has nothing to strip need not look at 100,000 leaves.
    std::size_t leaf_count = 0;
    std::size_t cancelled_count = 0;
    bool all_std = true;       // decides the type of the group
    bool collapsible = false;  // a loose group of a single exception is here or below

    mutable std::atomic<const std::string*> text = nullptr;  // what(), once somebody asked; owned
    mutable const group_state* next_dead = nullptr;          // see bury

    group_state(std::string message_, std::vector<std::exception_ptr> exceptions_, bool loose_);
    group_state(const group_state&) = delete;
    group_state& operator=(const group_state&) = delete;
    ~group_state() { delete text.load(std::memory_order_acquire); }

    static const group_state& of(const base_exception_group& group) noexcept { return *group.state_; }

    // A group with this state, of the type that its leaves ask for.
    static std::exception_ptr group_of(std::shared_ptr<const group_state> state) {
        return state->all_std ? std::make_exception_ptr(exception_group(std::move(state)))
                              : std::make_exception_ptr(base_exception_group(std::move(state)));
    }

    std::exception_ptr derive(std::vector<std::exception_ptr> others) const {
        return make_exception_group(message, std::move(others), loose);
    }
};

// The group inside an exception_ptr, null when it is something else. Its dynamic type is one of two, as nobody else can
// make groups, so two comparisons tell. It lives as long as `error` does.
[[nodiscard]] const base_exception_group* as_group(const std::exception_ptr& error) noexcept;

// The text of base_exception_group::what().
[[nodiscard]] std::string draw_tree(const group_state& root);

}  // namespace tombolo::kernel
