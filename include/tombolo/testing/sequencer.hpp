#pragma once

#include <tombolo/fibers/parking_lot.hpp>
#include <tombolo/fibers/result_box.hpp>

#include <map>
#include <set>
#include <type_traits>
#include <utility>

namespace tombolo::testing {

/// Makes blocks of code in different tasks run in the order of their numbers: `seq(0, f)`, `seq(1, g)`, … .
///
/// Each number can be used once. Number n runs when n - 1 has been left (0: at once).
/// Lifetime: outlives the tasks that use it. Not thread-safe.
/// Source: trio.testing.Sequencer.
class sequencer {
public:
    sequencer() = default;
    sequencer(const sequencer&) = delete;
    sequencer& operator=(const sequencer&) = delete;

    /// Waits for its turn, calls `f` and returns what it returns.
    /// Checkpoint: always for position > 0, never by itself for 0. Cancellation: a cancelled wait breaks the sequencer for
    /// everybody, late comers too.
    /// Throws: usage_error for a number used before; broken_resource once broken; cancelled; what `f` throws.
    template <class F>
    auto operator()(unsigned position, F&& f) -> std::invoke_result_t<F> {
        const turn mine(*this, position);
        return std::forward<F>(f)();
    }

private:
    class turn {
    public:
        turn(sequencer& of, unsigned position);
        turn(const turn&) = delete;
        turn& operator=(const turn&) = delete;
        ~turn();

    private:
        sequencer& of_;
        unsigned position_;
    };

    void wait_for_turn(unsigned position);

    // Invariants:
    // 1. claimed_ has every position that a block has asked for; next_ is the lowest whose block has not been left.
    // 2. waiting_[p] has the task that waits for position p, p > next_.
    std::set<unsigned> claimed_;
    std::set<unsigned> left_;
    std::map<unsigned, lowlevel::parking_lot> waiting_;
    bool broken_ = false;
};

}  // namespace tombolo::testing
