#include <tombolo/testing/sequencer.hpp>

#include <tombolo/fibers/checkpoint.hpp>
#include <tombolo/fibers/errors.hpp>

#include <string>

namespace tombolo::testing {

namespace {
[[noreturn]] void throw_broken() {
    throw broken_resource("sequencer: broken, because a task was cancelled while it waited for its turn");
}
}  // namespace

void sequencer::wait_for_turn(unsigned position) {
    if (position == 0) return;
    try {
        if (left_.contains(position - 1))
            checkpoint();
        else
            waiting_[position].park();
    } catch (...) {
        broken_ = true;
        for (auto& [other, lot] : waiting_) lot.unpark_all();
        throw;
    }
    if (broken_) throw_broken();
}

sequencer::turn::turn(sequencer& of, unsigned position) : of_(of), position_(position) {
    if (!of_.claimed_.insert(position).second)
        throw usage_error(
            "sequencer: position " + std::to_string(position) + " is taken already; use each number once");
    if (of_.broken_) throw_broken();
    of_.wait_for_turn(position);
}

sequencer::turn::~turn() {
    of_.left_.insert(position_);
    if (const auto next = of_.waiting_.find(position_ + 1); next != of_.waiting_.end()) next->second.unpark();
}

}  // namespace tombolo::testing
