#include "fibers/testing/check_steps.hpp"

#include <tombolo/fibers/cancel_scope.hpp>
#include <tombolo/testing/wait_all_tasks_blocked.hpp>

namespace tombolo::kernel {

using testing::assert_checkpoints;
using testing::wait_all_tasks_blocked;

namespace {

void wait_for_room(checked_end& s) {
    assert_checkpoints([&] { s.wait_send_all_might_not_block(); });
}

/// Broken or not, it must come back.
void wait_for_room_or_the_news(checked_end& s) {
    try {
        wait_for_room(s);
    } catch (const broken_resource&) {}
}

void check_wait_for_room(checked_end& s, checked_end& r) {
    bool receiving = false;
    open_nursery([&](nursery& n) {
        n.start_soon([&] {
            wait_for_room(s);
            expect(receiving, "wait_send_all_might_not_block waits until bytes are received");
            n.cancel_scope().cancel("there is room");
        });
        wait_all_tasks_blocked();
        n.start_soon([&] {
            receiving = true;
            for (;;) static_cast<void>(receive(r, 16384));
        });
    });
}

void check_cancelled_waits(checked_end& s, checked_end&) {
    const auto cancel_while_it_waits = [](const std::string& expectation, const std::function<void()>& call) {
        cancel_scope scope;
        run_both(
            [&] { expect(!scope.run(call), expectation); },
            [&] {
                wait_all_tasks_blocked();
                scope.cancel("a stream check");
            });
    };
    cancel_while_it_waits(
        "wait_send_all_might_not_block that waits can be cancelled", [&] { s.wait_send_all_might_not_block(); });
    cancel_while_it_waits("send_all that waits can be cancelled", [&] { s.send_all("x"); });
}

void check_two_waits(checked_end& s, checked_end&) {
    expect_busy("wait_send_all_might_not_block in a second task", [&] { wait_for_room(s); }, [&] { wait_for_room(s); });
}

void check_send_beside_wait(checked_end& s, checked_end&) {
    expect_busy("send_all beside wait_send_all_might_not_block", [&] { wait_for_room(s); }, [&] { send(s, "123"); });
}

void check_wait_beside_send(checked_end& s, checked_end&) {
    expect_busy("wait_send_all_might_not_block beside send_all", [&] { send(s, "123"); }, [&] { wait_for_room(s); });
}

void check_two_sends(checked_end& s, checked_end&) {
    expect_busy("send_all in a second task", [&] { send(s, "123"); }, [&] { send(s, "123"); });
}

void check_receiver_closes(checked_end& s, checked_end& r) {
    run_both(
        [&] { wait_for_room_or_the_news(s); },
        [&] {
            wait_all_tasks_blocked();
            r.close();
        });
}

void check_receiver_closed_before(checked_end& s, checked_end& r) {
    r.close();
    wait_for_room_or_the_news(s);
}

void check_receiver_closes_on_a_sender(checked_end& s, checked_end& r) {
    run_both(
        [&] {
            expect_error<broken_resource>(
                "send_all that waits is broken_resource when the receiver is closed", [&] { send_for_ever(s); });
        },
        [&] {
            wait_all_tasks_blocked();
            r.close();
        });
}

void expect_woken_by_close(checked_end& s, const std::string& expectation, const std::function<void()>& call) {
    run_both(
        [&] { expect_error<closed_resource>(expectation, call); },
        [&] {
            wait_all_tasks_blocked();
            s.close();
        });
}

void check_sender_closed_while_it_sends(checked_end& s, checked_end&) {
    expect_woken_by_close(
        s, "send_all that waits is closed_resource when the stream is closed", [&] { send(s, "xyzzy"); });
}

void check_sender_closed_while_it_waits(checked_end& s, checked_end&) {
    expect_woken_by_close(
        s, "wait_send_all_might_not_block that waits is closed_resource when the stream is closed",
        [&] { s.wait_send_all_might_not_block(); });
}

}  // namespace

void check_clogged(const make_checked_pair& make_clogged_pair) {
    step("a clogged stream has room when bytes are received", make_clogged_pair, check_wait_for_room);
    step("who waits for room can be cancelled", make_clogged_pair, check_cancelled_waits);
    step("one task at a time waits for room", make_clogged_pair, check_two_waits);
    step("nobody sends while another task waits for room", make_clogged_pair, check_send_beside_wait);
    step("nobody waits for room while another task sends", make_clogged_pair, check_wait_beside_send);
    step("one task at a time sends", make_clogged_pair, check_two_sends);
    step("who waits for room is woken when the receiver closes", make_clogged_pair, check_receiver_closes);
    step("nobody waits for room when the receiver is closed", make_clogged_pair, check_receiver_closed_before);
    step("who sends is woken when the receiver closes", make_clogged_pair, check_receiver_closes_on_a_sender);
    step("who sends is woken when the stream is closed", make_clogged_pair, check_sender_closed_while_it_sends);
    step(
        "who waits for room is woken when the stream is closed", make_clogged_pair, check_sender_closed_while_it_waits);
}

}  // namespace tombolo::kernel
