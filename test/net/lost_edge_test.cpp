#include <tombolo/fibers/checkpoint.hpp>
#include <tombolo/fibers/event.hpp>
#include <tombolo/fibers/net/socket.hpp>
#include <tombolo/fibers/nursery.hpp>
#include <tombolo/fibers/timeouts.hpp>
#include <tombolo/testing/test.hpp>
#include <tombolo/testing/wait_all_tasks_blocked.hpp>

#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <cstring>
#include <functional>
#include <string>
#include <utility>

#include <sys/socket.h>

namespace tombolo::testing {
namespace {

using namespace std::chrono_literals;
using net::socket;

std::pair<socket, socket> tcp_sockets() {
    socket listener(net::family::ipv4, net::socket_type::stream);
    listener.bind(net::endpoint::loopback(net::family::ipv4, 0));
    listener.listen();
    socket client(net::family::ipv4, net::socket_type::stream);
    client.connect(listener.local_endpoint());
    return {listener.accept().socket, std::move(client)};
}

/// Two connected sockets, the first of which is registered with the poller, and a task that waits for a third, so that the
/// run looks for events in every pass.
void with_registered_socket(std::function<void(nursery&, socket&, socket&)> body) {
    auto [ours, theirs] = socket::pair();
    auto [silent, other] = socket::pair();
    open_nursery([&](nursery& tasks) {
        const auto receive_one = [](socket& from) {
            std::string byte(1, ' ');
            EXPECT_EQ(from.receive(byte), 1u);
        };
        tasks.start_soon([&] { receive_one(silent); });
        tasks.start_soon([&] { receive_one(ours); });
        wait_all_tasks_blocked();
        theirs.try_send(std::string("1"));
        wait_all_tasks_blocked();
        body(tasks, ours, theirs);
        tasks.cancel_scope().cancel();
    });
}

/// Another task acts `checkpoints` checkpoints after the caller went on: before, in or after the schedule point of what the
/// caller calls next. It then keeps the thread until the run is bound to look for events before anybody goes on.
void act_soon(nursery& tasks, int checkpoints, std::function<void()> act) {
    event begun;
    tasks.start_soon([&begun, checkpoints, act] {
        begun.set();
        for (int i = 0; i < checkpoints; ++i) checkpoint();
        act();
        const auto end = std::chrono::steady_clock::now() + 100us;
        while (std::chrono::steady_clock::now() < end) {}
    });
    begun.wait();
}

/// What is there before the end.
std::string all_of(socket& from) {
    std::string all, part(100, ' ');
    while (const std::size_t count = from.receive(part)) all.append(part, 0, count);
    return all;
}

TOMBOLO_TEST(lost_edge, bytes_behind_a_message_with_a_descriptor_are_not_forgotten) {
    with_registered_socket([](nursery&, socket& ours, socket& theirs) {
        alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
        auto* const header = reinterpret_cast<cmsghdr*>(control.data());
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int));
        const int passed = ours.fd();
        std::memcpy(CMSG_DATA(header), &passed, sizeof(int));
        const std::array<const_bytes, 1> first{"abc"};
        theirs.send_message(first, {}, control);
        theirs.send("def");
        theirs.shutdown(net::shutdown_side::send);
        EXPECT_EQ(all_of(ours), "abcdef");
    });
}

TOMBOLO_TEST(lost_edge, bytes_behind_urgent_data_are_not_forgotten) {
    auto [ours, theirs] = tcp_sockets();
    open_nursery([&, &ours = ours, &theirs = theirs](nursery& n) {
        std::string byte(1, ' ');
        n.start_soon([&] { EXPECT_EQ(ours.receive(byte), 1u); });
        wait_all_tasks_blocked();
        theirs.send("1");
    });
    theirs.send("abc");
    theirs.send("!", MSG_OOB);
    theirs.send("def");
    theirs.shutdown(net::shutdown_side::send);
    EXPECT_EQ(all_of(ours), "abcdef");
}

TOMBOLO_TEST(lost_edge, bytes_that_come_while_a_short_receive_lets_others_run_are_not_forgotten) {
    for (int checkpoints = 0; checkpoints < 5; ++checkpoints) {
        with_registered_socket([&](nursery& tasks, socket& ours, socket& theirs) {
            theirs.try_send(std::string("2"));
            act_soon(tasks, checkpoints, [&theirs] { theirs.try_send(std::string("3")); });
            std::string got, buffer(100, ' ');
            fail_after(1s, [&] {
                while (got.size() < 2) got += buffer.substr(0, ours.receive(buffer));
            });
            EXPECT_EQ(got, "23") << "after " << checkpoints << " checkpoints";
        });
    }
}

TOMBOLO_TEST(lost_edge, room_that_comes_while_a_short_send_lets_others_run_is_not_forgotten) {
    for (int checkpoints = 0; checkpoints < 5; ++checkpoints) {
        with_registered_socket([&](nursery& tasks, socket& ours, socket& theirs) {
            const std::string much(1 << 20, 'x');
            act_soon(tasks, checkpoints, [&theirs] {
                std::string buffer(1 << 20, ' ');
                for (int drained = 0; drained == 0; checkpoint())
                    while (theirs.try_receive(buffer)) ++drained;
            });
            fail_after(1s, [&] {
                EXPECT_LT(ours.send(much), much.size());
                EXPECT_GT(ours.send(much), 0u) << "after " << checkpoints << " checkpoints";
            });
        });
    }
}

}  // namespace
}  // namespace tombolo::testing
