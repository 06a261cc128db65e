#pragma once

#include <tombolo/fibers/detach.hpp>

#include <cstddef>
#include <deque>
#include <utility>

namespace tombolo::testing {

/// A foreign scheduler: resumes the fibers that it was given, one after the other, until they have finished.
class toy_scheduler {
public:
    void adopt(lowlevel::detached_fiber fiber) { fibers_.push_back(std::move(fiber)); }

    /// Every fiber once.
    void turn() {
        for (std::size_t rest = fibers_.size(); rest > 0; --rest) {
            lowlevel::detached_fiber next = std::move(fibers_.front());
            fibers_.pop_front();
            next.resume();
            if (!next.finished()) fibers_.push_back(std::move(next));
        }
    }
    void turn_until_empty() {
        while (!fibers_.empty()) turn();
    }
    void drop_all() { fibers_.clear(); }
    std::size_t size() const noexcept { return fibers_.size(); }
    const lowlevel::detached_fiber& first() const { return fibers_.front(); }

    /// What a task gives its fiber to.
    auto taker() {
        return [this](lowlevel::detached_fiber fiber) { adopt(std::move(fiber)); };
    }

private:
    std::deque<lowlevel::detached_fiber> fibers_;
};

}  // namespace tombolo::testing
