#include "fibers/testing/check_steps.hpp"

#include <tombolo/testing/wait_all_tasks_blocked.hpp>

namespace tombolo::kernel {

using testing::assert_checkpoints;
using testing::wait_all_tasks_blocked;

namespace {

void expect_closed_for_receiving(checked_end& r) {
    expect_error<closed_resource>(
        "receive_some after close is closed_resource", [&] { static_cast<void>(receive(r, 4096)); });
}

void expect_closed_for_sending(checked_end& s) {
    expect_error<closed_resource>("send_all after close is closed_resource", [&] { send(s, "123"); });
    expect_error<closed_resource>("sending nothing after close is closed_resource", [&] { send(s, {}); });
    expect_error<closed_resource>(
        "wait_send_all_might_not_block after close is closed_resource", [&] { s.wait_send_all_might_not_block(); });
}

void expect_broken(checked_end& s) {
    expect_error<broken_resource>(
        "sending on and on is broken_resource when the receiver is closed", [&] { send_for_ever(s); });
}

void check_receiver_closed_in_order(checked_end& s, checked_end& r) {
    run_both([&] { expect_broken(s); }, [&] { close_in_order(r); });
    expect_error<broken_resource>("a broken stream stays broken", [&] { send(s, std::string(100, 'x')); });
    expect_closed_for_receiving(r);
    close_in_order(r);
    close_in_order(r);
    close_in_order(s);
    expect_closed_for_sending(s);
    close_in_order(s);
    s.close();
    close_in_order(s);
}

void check_receiver_closed_by_force(checked_end& s, checked_end& r) {
    r.close();
    r.close();
    expect_broken(s);
    expect_closed_for_receiving(r);
}

/// The receiver begins late, so that all is under way when the sender closes; a stream may make the sender wait for it,
/// too.
void check_sender_closed_in_order(checked_end& s, checked_end& r) {
    run_both(
        [&] {
            send(s, "y");
            close_in_order(s);
        },
        [&] {
            wait_all_tasks_blocked();
            receive_exactly(r, "y");
            receive_exactly(r, "");
            receive_exactly(r, "");
            close_in_order(r);
        });
}

/// The receiver sees the end or that something is wrong, never bytes, never nothing at all.
void check_sender_closed_by_force(checked_end& s, checked_end& r) {
    s.close();
    s.close();
    expect_closed_for_sending(s);
    try {
        receive_exactly(r, "");
    } catch (const broken_resource&) {}
}

void check_receiver_closed_while_it_waits(checked_end&, checked_end& r) {
    run_both(
        [&] {
            expect_error<closed_resource>("receive_some that waits is closed_resource when the stream is closed", [&] {
                static_cast<void>(receive(r, 10));
            });
        },
        [&] {
            wait_all_tasks_blocked();
            r.close();
        });
}

void check_end_that_a_receiver_waits_for(checked_end& s, checked_end& r) {
    run_both(
        [&] { receive_exactly(r, ""); },
        [&] {
            wait_all_tasks_blocked();
            close_in_order(s);
        });
}

}  // namespace

void check_closing(const make_checked_pair& make_pair) {
    step("a receiver that closes breaks the sender", make_pair, check_receiver_closed_in_order);
    step("a receiver closed by force breaks the sender", make_pair, check_receiver_closed_by_force);
    step("a sender that closes in order loses nothing", make_pair, check_sender_closed_in_order);
    step("a sender closed by force is noticed", make_pair, check_sender_closed_by_force);
    step("who receives is woken when the stream is closed", make_pair, check_receiver_closed_while_it_waits);
    step("who receives is woken by the end of the stream", make_pair, check_end_that_a_receiver_waits_for);
}

}  // namespace tombolo::kernel
