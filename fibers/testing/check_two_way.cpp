#include "fibers/testing/check_steps.hpp"

#include <tombolo/testing/wait_all_tasks_blocked.hpp>

#include <algorithm>
#include <random>
#include <utility>

namespace tombolo::kernel {

using testing::assert_checkpoints;
using testing::wait_all_tasks_blocked;

namespace {

constexpr std::size_t duplex_size = std::size_t{1} << 20;
constexpr std::size_t largest_piece = std::size_t{1} << 14;

/// The same numbers on every machine, other than those of the standard distributions.
std::size_t next_size(std::mt19937& random) { return 1 + random() % largest_piece; }

void send_in_pieces(checked_end& to, const_bytes bytes, unsigned seed) {
    for (std::mt19937 random(seed); !bytes.empty();) {
        const const_bytes piece = bytes.up_to(next_size(random));
        to.send_all(piece);
        bytes = bytes.from(piece.size());
    }
}

void receive_in_pieces(checked_end& from, const std::string& expected, unsigned seed) {
    std::mt19937 random(seed);
    std::string got;
    while (got.size() < expected.size()) {
        std::string piece(next_size(random), '\0');
        piece.resize(from.receive_some(piece));
        expect(!piece.empty(), "the stream does not end before everything has arrived");
        got += piece;
    }
    expect(got == expected, "everything arrives as it was sent");
}

void check_duplex(checked_end& first, checked_end& second) {
    std::mt19937 random(0);
    std::string there(duplex_size, '\0');
    for (char& each : there) each = static_cast<char>(random());
    const std::string back(there.rbegin(), there.rend());
    open_nursery([&](nursery& n) {
        n.start_soon([&] { send_in_pieces(first, there, 1); });
        n.start_soon([&] { send_in_pieces(second, back, 2); });
        n.start_soon([&] { receive_in_pieces(first, back, 3); });
        n.start_soon([&] { receive_in_pieces(second, there, 4); });
    });
    run_both(
        [&] {
            expect(receive(second, 10).empty(), "the other side reads the end of the stream");
            close_in_order(second);
        },
        [&] { close_in_order(first); });
}

void send_then_end(checked_end& end) {
    end.send_all("x");
    assert_checkpoints([&] { end.send_eof(); });
}

void receive_then_end(checked_end& end) {
    wait_all_tasks_blocked();
    receive_exactly(end, "x");
    receive_exactly(end, "");
    receive_exactly(end, "");
}

void check_half_close(checked_end& first, checked_end& second) {
    run_both([&] { send_then_end(first); }, [&] { receive_then_end(second); });
    expect_error<closed_resource>("send_all after send_eof is closed_resource", [&] { send(first, "y"); });
    assert_checkpoints([&] { first.send_eof(); });
    run_both([&] { send_then_end(second); }, [&] { receive_then_end(first); });
    close_in_order(first);
    close_in_order(second);
}

void check_half_close_after_close(checked_end& first, checked_end&) {
    first.close();
    expect_error<closed_resource>("send_eof after close is closed_resource", [&] { first.send_eof(); });
}

void check_eof_beside_send(checked_end& first, checked_end&) {
    expect_busy("send_eof beside send_all", [&] { send(first, "x"); }, [&] { first.send_eof(); });
}

void check_eof_beside_wait(checked_end& first, checked_end&) {
    expect_busy(
        "send_eof beside wait_send_all_might_not_block", [&] { first.wait_send_all_might_not_block(); },
        [&] { first.send_eof(); });
}

/// The pair the other way round; empty when there is none.
make_checked_pair reversed(const make_checked_pair& make_pair) {
    if (!make_pair) return {};
    return [&make_pair] {
        checked_pair pair = make_pair();
        std::swap(pair.first, pair.second);
        return pair;
    };
}

}  // namespace

void check_one_way_stream(const make_checked_pair& make_pair, const make_checked_pair& make_clogged_pair) {
    check_transfer(make_pair);
    check_closing(make_pair);
    check_cancelling(make_pair);
    if (make_clogged_pair) check_clogged(make_clogged_pair);
}

void check_two_way_stream(const make_checked_pair& make_pair, const make_checked_pair& make_clogged_pair) {
    check_one_way_stream(make_pair, make_clogged_pair);
    check_one_way_stream(reversed(make_pair), reversed(make_clogged_pair));
    step("a MiB each way at the same time arrives whole", make_pair, check_duplex);
}

void check_half_closeable_stream(const make_checked_pair& make_pair, const make_checked_pair& make_clogged_pair) {
    check_two_way_stream(make_pair, make_clogged_pair);
    step("send_eof ends one direction", make_pair, check_half_close);
    step("send_eof does not open what is closed", make_pair, check_half_close_after_close);
    if (!make_clogged_pair) return;
    step("nobody ends the stream while another task sends", make_clogged_pair, check_eof_beside_send);
    step("nobody ends the stream while another task waits for room", make_clogged_pair, check_eof_beside_wait);
}

}  // namespace tombolo::kernel
