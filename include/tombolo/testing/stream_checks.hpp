#pragma once

#include <tombolo/fibers/stream.hpp>
#include <tombolo/testing/check_failed.hpp>
#include <tombolo/testing/checked_end.hpp>

#include <concepts>
#include <functional>
#include <type_traits>
#include <utility>

namespace tombolo::testing {

/// Given as a battery's second argument: these streams cannot be clogged, or it is too much work.
struct cannot_be_clogged {};

/// Puts a kind of stream through everything that is_send_stream and is_receive_stream promise: errors of bad arguments,
/// of two users, of a side that is closed here or there; ends in order and by force; cancelled calls; what wakes up
/// when a stream is closed; and whether each call is a checkpoint.
///
/// `make_pair()` returns a new pair: what is sent into its first is received from its second. `make_clogged_pair()`
/// returns one whose first would have to wait in send_all() and in wait_send_all_might_not_block() until bytes are
/// received. Both are called many times, in a task.
///
/// Run it under TOMBOLO_TEST, where a call that never returns is an error and not a hang.
/// Checkpoint: always. Cancellation: ends the check. Throws: check_failed; what making a pair throws; cancelled.
/// Source: trio.testing.check_one_way_stream.
template <class MakePair, class MakeCloggedPair = cannot_be_clogged>
void check_one_way_stream(MakePair make_pair, MakeCloggedPair make_clogged_pair = {}) {
    using pair = std::invoke_result_t<MakePair&>;
    static_assert(is_send_stream<typename pair::first_type>, "the first of the pair has to be a send stream");
    static_assert(is_receive_stream<typename pair::second_type>, "the second of the pair has to be a receive stream");
    kernel::check_one_way_stream(kernel::checked(make_pair), kernel::checked(make_clogged_pair));
}

/// The same in both directions, and both at once: a MiB each way in pieces of all sizes. Both pairs are made of
/// streams, and those of `make_clogged_pair()` are clogged in both directions.
/// Checkpoint: always. Cancellation, Throws: as check_one_way_stream(). Source: trio.testing.check_two_way_stream.
template <class MakePair, class MakeCloggedPair = cannot_be_clogged>
void check_two_way_stream(MakePair make_pair, MakeCloggedPair make_clogged_pair = {}) {
    using pair = std::invoke_result_t<MakePair&>;
    static_assert(is_stream<typename pair::first_type>, "the first of the pair has to be a stream");
    static_assert(is_stream<typename pair::second_type>, "the second of the pair has to be a stream");
    kernel::check_two_way_stream(kernel::checked(make_pair), kernel::checked(make_clogged_pair));
}

/// The same, and what is_half_closeable_stream promises of send_eof().
/// Checkpoint: always. Cancellation, Throws: as check_one_way_stream(). Source:
/// trio.testing.check_half_closeable_stream.
template <class MakePair, class MakeCloggedPair = cannot_be_clogged>
void check_half_closeable_stream(MakePair make_pair, MakeCloggedPair make_clogged_pair = {}) {
    using pair = std::invoke_result_t<MakePair&>;
    static_assert(is_half_closeable_stream<typename pair::first_type>, "the first of the pair has to have send_eof()");
    static_assert(
        is_half_closeable_stream<typename pair::second_type>, "the second of the pair has to have send_eof()");
    kernel::check_half_closeable_stream(kernel::checked(make_pair), kernel::checked(make_clogged_pair));
}

}  // namespace tombolo::testing
