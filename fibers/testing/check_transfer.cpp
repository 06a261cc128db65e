#include "fibers/testing/check_steps.hpp"

#include <tombolo/testing/wait_all_tasks_blocked.hpp>

#include <array>
#include <vector>

namespace tombolo::kernel {

using testing::assert_checkpoints;
using testing::wait_all_tasks_blocked;

namespace {

void check_all_kinds_of_bytes(checked_end& s, checked_end& r) {
    run_both([&] { send(s, "x"); }, [&] { receive_exactly(r, "x"); });
    const std::vector<unsigned char> numbers{1, 2, 255, 0};
    run_both(
        [&] { send(s, numbers); },
        [&] {
            for (const unsigned char each : numbers)
                receive_exactly(r, std::string_view(reinterpret_cast<const char*>(&each), 1));
        });
}

void check_sending_nothing(checked_end& s, checked_end& r) {
    run_both(
        [&] {
            send(s, {});
            send(s, "y");
            send(s, {});
        },
        [&] { receive_exactly(r, "y"); });
}

void check_empty_buffer(checked_end& s, checked_end& r) {
    expect_error<invalid_count>("receive_some refuses an empty buffer with invalid_count", [&] {
        static_cast<void>(r.receive_some(mutable_bytes()));
    });
    run_both([&] { send(s, "z"); }, [&] { receive_exactly(r, "z"); });
}

void check_large_buffer(checked_end& s, checked_end& r) {
    run_both(
        [&] { send(s, "abc"); },
        [&] {
            std::string got;
            while (got.size() < 3) {
                const std::string part = receive(r, 65536);
                expect(!part.empty(), "receive_some gives 0 at the end of the stream only");
                got += part;
            }
            expect(got == "abc", "bytes arrive as they were sent");
        });
}

/// A stream without any buffer may wait for a receiver; so there is one.
void check_room_in_an_empty_stream(checked_end& s, checked_end& r) {
    open_nursery([&](nursery& n) {
        n.start_soon([&] {
            assert_checkpoints([&] { s.wait_send_all_might_not_block(); });
            n.cancel_scope().cancel("there is room");
        });
        n.start_soon([&] { static_cast<void>(receive(r, 1)); });
    });
}

void check_two_receivers(checked_end&, checked_end& r) {
    expect_busy(
        "receive_some in a second task", [&] { static_cast<void>(receive(r, 1)); },
        [&] { static_cast<void>(receive(r, 1)); });
}

}  // namespace

void check_transfer(const make_checked_pair& make_pair) {
    step("bytes come out as they went in", make_pair, check_all_kinds_of_bytes);
    step("sending nothing means nothing", make_pair, check_sending_nothing);
    step("an empty buffer is refused and harms nothing", make_pair, check_empty_buffer);
    step("a buffer may be larger than what there is", make_pair, check_large_buffer);
    step("an empty stream has room", make_pair, check_room_in_an_empty_stream);
    step("one task at a time receives", make_pair, check_two_receivers);
}

}  // namespace tombolo::kernel
