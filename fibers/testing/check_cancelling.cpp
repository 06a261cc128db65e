#include "fibers/testing/check_steps.hpp"

#include <tombolo/fibers/cancel_scope.hpp>
#include <tombolo/testing/wait_all_tasks_blocked.hpp>

namespace tombolo::kernel {

using testing::wait_all_tasks_blocked;

namespace {

/// Makes the call in a scope that is cancelled already.
void expect_cancelled(const std::string& expectation, const std::function<void()>& call) {
    cancel_scope scope;
    scope.cancel("a stream check");
    expect(!scope.run(call), expectation);
}

void check_cancelled_close(checked_end& s, checked_end& r) {
    expect_cancelled("a cancelled aclose says so", [&] { r.aclose(); });
    expect_cancelled("a cancelled aclose says so", [&] { s.aclose(); });
    expect_error<closed_resource>("a cancelled aclose closes the sender", [&] { send(s, "123"); });
    expect_error<closed_resource>(
        "a cancelled aclose closes the receiver", [&] { static_cast<void>(receive(r, 4096)); });
}

void check_close_after_cancelled_calls(checked_end& s, checked_end& r) {
    std::string buffer(1, '\0');
    expect_cancelled("a cancelled send_all says so", [&] { s.send_all("x"); });
    expect_cancelled("a cancelled receive_some says so", [&] { static_cast<void>(r.receive_some(buffer)); });
    expect_cancelled("a cancelled wait says so", [&] { s.wait_send_all_might_not_block(); });
    run_both([&] { close_in_order(s); }, [&] { close_in_order(r); });
}

void check_cancelled_receive(checked_end& s, checked_end& r) {
    cancel_scope scope;
    run_both(
        [&] {
            std::string buffer(10, '\0');
            const bool returned = static_cast<bool>(scope.run([&] { static_cast<void>(r.receive_some(buffer)); }));
            expect(!returned, "receive_some that waits can be cancelled");
        },
        [&] {
            wait_all_tasks_blocked();
            scope.cancel("a stream check");
        });
    run_both(
        [&] { send(s, "ab"); },
        [&] {
            std::string buffer(1, '\0');
            expect_cancelled("a cancelled receive_some says so", [&] { static_cast<void>(r.receive_some(buffer)); });
            receive_exactly(r, "a");
            expect_cancelled("a cancelled receive_some says so", [&] { static_cast<void>(r.receive_some(buffer)); });
            receive_exactly(r, "b");
        });
}

}  // namespace

void check_cancelling(const make_checked_pair& make_pair) {
    step("a cancelled aclose closes", make_pair, check_cancelled_close);
    step("a stream can be closed in order after cancelled calls", make_pair, check_close_after_cancelled_calls);
    step("a cancelled receive takes nothing", make_pair, check_cancelled_receive);
}

}  // namespace tombolo::kernel
