#include <tombolo/testing/checkpoints.hpp>

#include <string>

namespace tombolo::kernel {

using testing::checkpoint_missing;
using testing::checkpoint_unexpected;

void require_checkpoint(lowlevel::checkpoint_counts before) {
    const auto after = lowlevel::current_checkpoint_counts();
    if (after.cancel_points == before.cancel_points)
        throw checkpoint_missing("assert_checkpoints: the code never checked for cancellation");
    if (after.schedule_points == before.schedule_points)
        throw checkpoint_missing("assert_checkpoints: the code never let other tasks run");
}

void require_no_checkpoint(lowlevel::checkpoint_counts before) {
    const auto after = lowlevel::current_checkpoint_counts();
    if (after.cancel_points != before.cancel_points)
        throw checkpoint_unexpected(
            "assert_no_checkpoints: the code checked for cancellation " +
            std::to_string(after.cancel_points - before.cancel_points) + " times");
    if (after.schedule_points != before.schedule_points)
        throw checkpoint_unexpected(
            "assert_no_checkpoints: the code let other tasks run " +
            std::to_string(after.schedule_points - before.schedule_points) + " times");
}

}  // namespace tombolo::kernel
