#pragma once

#include <tombolo/fibers/checkpoint.hpp>
#include <tombolo/fibers/result_box.hpp>

#include <stdexcept>
#include <type_traits>
#include <utility>

namespace tombolo::kernel {
void require_checkpoint(lowlevel::checkpoint_counts before);
void require_no_checkpoint(lowlevel::checkpoint_counts before);
}  // namespace tombolo::kernel

namespace tombolo::testing {

/// Calls `f` and returns what it returns, after making sure that it passed a checkpoint: both a cancel point and a schedule
/// point. An `f` that throws is let pass.
/// Throws: checkpoint_missing; what `f` throws; not_in_task. Source: trio.testing.assert_checkpoints.
template <class F>
auto assert_checkpoints(F&& f) -> std::invoke_result_t<F> {
    const auto before = lowlevel::current_checkpoint_counts();
    result_box<std::invoke_result_t<F>> result;
    result.capture(std::forward<F>(f));
    kernel::require_checkpoint(before);
    return result.take();
}

/// Calls `f` and returns what it returns, after making sure that it passed no cancel point and no schedule point.
/// Throws: checkpoint_unexpected; what `f` throws; not_in_task. Source: trio.testing.assert_no_checkpoints.
template <class F>
auto assert_no_checkpoints(F&& f) -> std::invoke_result_t<F> {
    const auto before = lowlevel::current_checkpoint_counts();
    result_box<std::invoke_result_t<F>> result;
    result.capture(std::forward<F>(f));
    kernel::require_no_checkpoint(before);
    return result.take();
}

/// Thrown by assert_checkpoints.
class checkpoint_missing : public std::logic_error {
public:
    using std::logic_error::logic_error;
};

/// Thrown by assert_no_checkpoints.
class checkpoint_unexpected : public std::logic_error {
public:
    using std::logic_error::logic_error;
};

}  // namespace tombolo::testing
