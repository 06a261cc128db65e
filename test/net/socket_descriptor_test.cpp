#include "test/support/received.hpp"

#include <tombolo/fibers/checkpoint.hpp>
#include <tombolo/fibers/net/socket.hpp>
#include <tombolo/fibers/nursery.hpp>
#include <tombolo/fibers/run.hpp>
#include <tombolo/fibers/wait_fd.hpp>
#include <tombolo/testing/test.hpp>
#include <tombolo/testing/wait_all_tasks_blocked.hpp>

#include <gtest/gtest.h>

#include <string>
#include <tuple>
#include <utility>

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

// The descriptor under a socket: waited for by its number, given away, closed by somebody else.

namespace tombolo::testing {
namespace {

using net::family;
using net::socket;
using net::socket_type;

TOMBOLO_TEST(socket_descriptor, its_descriptor_can_be_waited_for_by_number_too) {
    auto [left, right] = socket::pair();
    open_nursery([&, &left = left, &right = right](nursery& n) {
        n.start_soon([&] { EXPECT_EQ(received(right), "one"); });
        wait_all_tasks_blocked();
        EXPECT_THROW(lowlevel::wait_readable(right.fd()), busy_resource);
        left.send("one");
    });
    left.send("two");
    checkpoint();
    lowlevel::wait_readable(right.fd());
    EXPECT_EQ(received(right), "two");
    open_nursery([&, &left = left, &right = right](nursery& n) {
        n.start_soon([&] { lowlevel::wait_readable(right.fd()); });
        wait_all_tasks_blocked();
        left.send("three");
    });
    EXPECT_EQ(received(right), "three");
}

TOMBOLO_TEST(socket_descriptor, a_wait_by_number_before_the_first_of_its_own_is_harmless) {
    auto [left, right] = socket::pair();
    open_nursery([&, &left = left, &right = right](nursery& n) {
        n.start_soon([&] { lowlevel::wait_readable(right.fd()); });
        wait_all_tasks_blocked();
        n.start_soon([&] { EXPECT_EQ(received(right), "x"); });
        left.send("x");
    });
}

TOMBOLO_TEST(socket_descriptor, gives_its_descriptor_away_and_takes_one_over) {
    auto [left, right] = socket::pair();
    open_nursery([&, &left = left, &right = right](nursery& n) {
        n.start_soon([&] { EXPECT_EQ(received(right), "x"); });
        wait_all_tasks_blocked();
        left.send("x");
    });
    unique_fd number = right.release();
    EXPECT_FALSE(right.is_open());
    socket again(std::move(number));
    EXPECT_EQ(again.family(), family::local);
    EXPECT_EQ(again.type(), socket_type::stream);
    socket copy = again.duplicate();
    again.close();
    left.send("copied");
    EXPECT_EQ(received(copy), "copied");
    EXPECT_THROW(socket(unique_fd(::open("/dev/null", O_RDONLY | O_CLOEXEC))), invalid_descriptor);
    EXPECT_THROW(socket(unique_fd(-1)), invalid_descriptor);
}

TEST(socket_descriptor, goes_from_run_to_run_when_the_first_has_ended) {
    socket left, right;
    run([&] {
        std::tie(left, right) = socket::pair();
        open_nursery([&](nursery& n) {
            n.start_soon([&] { EXPECT_EQ(received(right), "one"); });
            wait_all_tasks_blocked();
            left.send("one");
        });
    });
    run([&] {
        open_nursery([&](nursery& n) {
            n.start_soon([&] { EXPECT_EQ(received(right), "two"); });
            wait_all_tasks_blocked();
            left.send("two");
        });
        left.close();
        right.close();
    });
}

TEST(socket_descriptor, a_forked_child_that_closes_its_copy_leaves_the_wait_of_its_parent_alone) {
    run([] {
        auto [left, right] = socket::pair();
        open_nursery([&, &left = left, &right = right](nursery& n) {
            n.start_soon([&] { EXPECT_EQ(received(right), "x"); });
            wait_all_tasks_blocked();
            const pid_t child = ::fork();
            if (child == 0) {
                right.close();
                ::_exit(0);
            }
            int status = -1;
            ASSERT_EQ(::waitpid(child, &status, 0), child);
            EXPECT_EQ(status, 0);
            left.send("x");
        });
    });
}

TOMBOLO_TEST(socket_descriptor, a_wait_by_number_ends_when_the_socket_is_closed) {
    auto [left, right] = socket::pair();
    open_nursery([&, &right = right](nursery& n) {
        n.start_soon([&] { EXPECT_THROW(lowlevel::wait_readable(right.fd()), closed_resource); });
        wait_all_tasks_blocked();
        right.close();
    });
}

TOMBOLO_TEST(socket_descriptor, a_descriptor_that_was_closed_behind_its_back_harms_nobody_else) {
    auto [left, right] = socket::pair();
    auto [near, far] = socket::pair();
    open_nursery([&, &left = left, &right = right, &near = near, &far = far](nursery& n) {
        n.start_soon([&] { EXPECT_EQ(received(right), "x"); });
        wait_all_tasks_blocked();
        left.send("x");
        wait_all_tasks_blocked();
        const int number = right.fd();
        ::close(number);
        unique_fd reused(::fcntl(far.fd(), F_DUPFD_CLOEXEC, number));
        ASSERT_EQ(reused.get(), number);
        socket next(std::move(reused));
        n.start_soon([&] { EXPECT_EQ(received(next), "for the next"); });
        wait_all_tasks_blocked();
        static_cast<void>(right.release().release());
        near.send("for the next");
        wait_all_tasks_blocked();
        next.close();
    });
}

}  // namespace
}  // namespace tombolo::testing
