#include "fibers/testing/check_steps.hpp"

#include <tombolo/testing/wait_all_tasks_blocked.hpp>

#include <utility>

namespace tombolo::kernel {

using testing::assert_checkpoints;
using testing::check_failed;
using testing::wait_all_tasks_blocked;

void run_both(const std::function<void()>& first, const std::function<void()>& second) {
    open_nursery([&](nursery& n) {
        n.start_soon(std::cref(first));
        n.start_soon(std::cref(second));
    });
}

void expect_busy(
    const std::string& expectation, const std::function<void()>& first, const std::function<void()>& second) {
    std::string instead = "nothing was thrown";
    try {
        open_nursery([&](nursery& n) {
            n.start_soon(std::cref(first));
            wait_all_tasks_blocked();
            n.start_soon(std::cref(second));
        });
    } catch (const std::exception&) {
        if (consists_of<busy_resource>(std::current_exception())) return;
        instead = describe(std::current_exception());
    }
    throw check_failed("expected that " + expectation + " is busy_resource; " + instead);
}

void step(
    const std::string& name, const make_checked_pair& make_pair,
    const std::function<void(checked_end& first, checked_end& second)>& body) {
    const checked_pair pair = make_pair();
    try {
        body(*pair.first, *pair.second);
    } catch (const std::exception&) {
        throw check_failed("stream check \"" + name + "\": " + describe(std::current_exception()));
    }
    pair.first->close();
    pair.second->close();
}

void send(checked_end& to, const_bytes bytes) {
    assert_checkpoints([&] { to.send_all(bytes); });
}

std::string receive(checked_end& from, std::size_t max_bytes) {
    std::string buffer(max_bytes, '\0');
    const std::size_t count = assert_checkpoints([&] { return from.receive_some(buffer); });
    expect(count <= max_bytes, "receive_some returns at most the size of its buffer");
    buffer.resize(count);
    return buffer;
}

void receive_exactly(checked_end& from, std::string_view expected) {
    const std::string got = receive(from, 1);
    if (got != expected)
        throw check_failed(
            "expected that receive_some gives \"" + std::string(expected) + "\", but it gave \"" + got + "\"");
}

void close_in_order(checked_end& end) {
    assert_checkpoints([&] { end.aclose(); });
}

void send_for_ever(checked_end& to) {
    // More than any stream holds on its way.
    constexpr int enough = 200'000;
    const std::string bytes(100, 'x');
    for (int sent = 0; sent != enough; ++sent) send(to, bytes);
    throw check_failed("expected that sending on and on comes to an end when the receiver is closed");
}

}  // namespace tombolo::kernel
