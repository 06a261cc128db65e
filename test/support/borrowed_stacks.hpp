#pragma once

#include "fibers/context/stack_pool.hpp"

#include <cstddef>
#include <fstream>
#include <string>
#include <vector>

namespace tombolo::kernel {

/// Stacks of one pool that are given back at the end, as the pool demands.
class borrowed_stacks {
public:
    explicit borrowed_stacks(stack_pool& from) : from_(from) {}
    ~borrowed_stacks() { give_back(); }
    borrowed_stacks(const borrowed_stacks&) = delete;
    borrowed_stacks& operator=(const borrowed_stacks&) = delete;

    stack& borrow(std::size_t size = default_stack_size) {
        stacks_.push_back(nullptr);
        try {
            stacks_.back() = &from_.allocate(size);
        } catch (...) {
            stacks_.pop_back();
            throw;
        }
        return *stacks_.back();
    }

    void borrow_many(std::size_t count, std::size_t size = default_stack_size) {
        for (std::size_t i = 0; i < count; ++i) borrow(size);
    }

    // The last borrowed is given back first, and so is the oldest of the free ones.
    void give_back() {
        while (!stacks_.empty()) {
            from_.release(*stacks_.back());
            stacks_.pop_back();
        }
    }

    const std::vector<stack*>& all() const { return stacks_; }

private:
    stack_pool& from_;
    std::vector<stack*> stacks_;
};

inline void touch_top(stack& of) { of.top[-1] = std::byte{1}; }

inline std::size_t mappings_of_this_process() {
    std::ifstream maps("/proc/self/maps");
    std::size_t count = 0;
    for (std::string line; std::getline(maps, line);) ++count;
    return count;
}

}  // namespace tombolo::kernel
