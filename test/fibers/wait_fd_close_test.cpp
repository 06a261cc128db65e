#include "test/fibers/thrown.hpp"
#include "test/support/descriptors.hpp"

#include <tombolo/base/scope_exit.hpp>
#include <tombolo/fibers/cancel_scope.hpp>
#include <tombolo/fibers/checkpoint.hpp>
#include <tombolo/fibers/nursery.hpp>
#include <tombolo/fibers/statistics.hpp>
#include <tombolo/fibers/timeouts.hpp>
#include <tombolo/fibers/wait_fd.hpp>
#include <tombolo/testing/test.hpp>
#include <tombolo/testing/wait_all_tasks_blocked.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <random>
#include <system_error>
#include <utility>
#include <vector>

// Descriptors that are closed while tasks wait for them and nobody told the run. A spurious wake-up, a system_error and a
// wait that only cancellation ends are all allowed then (C-15); a crash is not, and neither is anything that outlives it.

namespace tombolo::testing {
namespace {

using namespace std::chrono_literals;
using lowlevel::wait_readable;
using lowlevel::wait_writable;

/// Waits, whatever comes of it, and counts the waits that have ended.
auto wait_anyhow(void (*wait)(int), int fd, int& ended) {
    return [wait, fd, &ended] {
        const scope_exit count([&ended] { ++ended; });
        try {
            wait(fd);
        } catch (const std::system_error&) {}
    };
}

/// The run still does its work: waits, wakes, has forgotten everything.
void expect_in_order() {
    const lowlevel::io_statistics io = lowlevel::current_statistics().io;
    EXPECT_EQ(io.tasks_waiting_read, 1U);
    EXPECT_EQ(io.tasks_waiting_write, 0U);
    const open_pipe pipe;
    EXPECT_FALSE(
        move_on_after(1s, [&] { wait_readable(pipe.reader.get()); }) &&
        move_on_after(1s, [&] { wait_readable(pipe.reader.get()); }))
        << "one spurious wake-up is allowed, not two";
    put(pipe.writer, "x");
    EXPECT_TRUE(move_on_after(1s, [&] { wait_readable(pipe.reader.get()); }));
}

/// Makes `target` the number of a new pipe's reading end.
open_pipe pipe_at(int target) {
    open_pipe made;
    if (made.reader.get() != target) {
        EXPECT_EQ(::dup3(made.reader.get(), target, O_CLOEXEC), target);
        made.reader.reset(target);
    }
    return made;
}

// case 63
TOMBOLO_TEST(wait_fd_close, unannounced_can_be_cancelled) {
    int ended = 0;
    open_nursery([&](nursery& n) {
        open_sockets sockets;
        fill(sockets.near);
        const int fd = sockets.near.get();
        n.start_soon(wait_anyhow(wait_readable, fd, ended));
        n.start_soon(wait_anyhow(wait_writable, fd, ended));
        wait_all_tasks_blocked();
        sockets.near.reset();
        wait_all_tasks_blocked();
        n.cancel_scope().cancel();
    });
    EXPECT_EQ(ended, 2);
    expect_in_order();
}

// case 63
TOMBOLO_TEST(wait_fd_close, unannounced_and_one_of_two_directions_cancelled_tells_the_other) {
    int ended = 0;
    cancel_scope writer;
    open_nursery([&](nursery& n) {
        open_sockets sockets;
        fill(sockets.near);
        const int fd = sockets.near.get();
        n.start_soon(wait_anyhow(wait_readable, fd, ended));
        n.start_soon([&, fd] { writer.run(wait_anyhow(wait_writable, fd, ended)); });
        wait_all_tasks_blocked();
        sockets.near.reset();
        writer.cancel();
        wait_all_tasks_blocked();
        EXPECT_EQ(ended, 2) << "re-arming for the reader has failed, so it knows";
        n.cancel_scope().cancel();
    });
    expect_in_order();
}

// case 63
TOMBOLO_TEST(wait_fd_close, unannounced_while_a_duplicate_stays_open) {
    int ended = 0;
    open_pipe pipe;
    const unique_fd duplicate(::dup(pipe.reader.get()));
    open_nursery([&](nursery& n) {
        n.start_soon(wait_anyhow(wait_readable, pipe.reader.get(), ended));
        wait_all_tasks_blocked();
        pipe.reader.reset();
        put(pipe.writer, "x");  // the kernel goes on reporting this under the old number
        wait_all_tasks_blocked();
        n.cancel_scope().cancel();
    });
    EXPECT_EQ(ended, 1);
    expect_in_order();
}

// case 63
TOMBOLO_TEST(wait_fd_close, unannounced_and_the_number_used_again_while_the_old_wait_goes_on) {
    int ended = 0;
    open_pipe old;
    const int fd = old.reader.get();
    open_nursery([&](nursery& n) {
        n.start_soon(wait_anyhow(wait_readable, fd, ended));
        wait_all_tasks_blocked();
        old.reader.reset();
        const open_pipe fresh = pipe_at(fd);
        try {
            move_on_after(1s, [&] { wait_readable(fd); });
        } catch (const busy_resource&) {  // as far as the run knows
        }
        put(fresh.writer, "x");
        wait_all_tasks_blocked();
        n.cancel_scope().cancel();
    });
    EXPECT_EQ(ended, 1);
    expect_in_order();
}

// case 63
TOMBOLO_TEST(wait_fd_close, unannounced_with_a_duplicate_and_the_number_used_again) {
    int ended = 0;
    open_pipe old;
    const int fd = old.reader.get();
    const unique_fd duplicate(::dup(fd));
    cancel_scope scope;
    open_nursery([&](nursery& n) {
        n.start_soon([&] { scope.run(wait_anyhow(wait_readable, fd, ended)); });
        wait_all_tasks_blocked();
        old.reader.reset();
        const open_pipe fresh = pipe_at(fd);
        scope.cancel();  // disarms the wrong file
        n.start_soon(wait_anyhow(wait_readable, fd, ended));
        wait_all_tasks_blocked();
        put(old.writer, "x");  // may wake the waiter for `fresh`
        wait_all_tasks_blocked();
        put(fresh.writer, "x");
        wait_all_tasks_blocked();
        EXPECT_EQ(ended, 2) << "the new file is ready, whatever happened to the old one";
        n.cancel_scope().cancel();
    });
    expect_in_order();
}

TOMBOLO_TEST(wait_fd_close, between_two_waits_is_an_error_or_news_of_the_new_file) {
    open_pipe old;
    const int fd = old.reader.get();
    EXPECT_FALSE(move_on_after(1s, [&] { wait_readable(fd); }));
    old.reader.reset();
    EXPECT_EQ(text_of<std::system_error>([&] { wait_readable(fd); }).empty(), false);
    const open_pipe fresh = pipe_at(fd);
    EXPECT_FALSE(move_on_after(1s, [&] { wait_readable(fd); }));
    put(fresh.writer, "x");
    wait_readable(fd);
}

TOMBOLO_TEST(wait_fd_close, announced_is_in_time_for_the_number_to_be_used_again) {
    open_pipe old;
    const int fd = old.reader.get();
    bool told = false;
    open_nursery([&](nursery& n) {
        n.start_soon([&] {
            text_of<closed_resource>([&] { wait_readable(fd); });
            told = true;
        });
        wait_all_tasks_blocked();
        lowlevel::notify_closing(fd);
        old.reader.reset();
        const open_pipe fresh = pipe_at(fd);
        put(fresh.writer, "x");
        wait_readable(fd);
    });
    EXPECT_TRUE(told);
}

// case 63: nothing is promised about what the waits see, only that the run survives.
TOMBOLO_TEST(wait_fd_close, at_random_does_no_harm) {
    const unsigned seed = std::random_device{}();
    SCOPED_TRACE(seed);
    std::minstd_rand random(seed);
    int ended = 0;
    int started = 0;
    std::vector<unique_fd> kept;
    open_nursery([&](nursery& n) {
        std::vector<open_sockets> pairs(4);
        for (int round = 0; round < 500; ++round) {
            open_sockets& pair = pairs[random() % pairs.size()];
            switch (random() % 6) {
            case 0:
            case 1:
                ++started;
                n.start_soon([fd = pair.near.get(), write = random() % 2 == 0, &ended] {
                    try {
                        move_on_after(5s, wait_anyhow(write ? wait_writable : wait_readable, fd, ended));
                    } catch (const busy_resource&) {}
                });
                break;
            case 2:
                kept.emplace_back(::dup(pair.near.get()));
                break;
            case 3:
                pair = open_sockets();
                break;
            case 4:
                static_cast<void>(::write(pair.far.get(), "x", 1));
                break;
            default:
                kept.clear();
                break;
            }
            if (random() % 2 == 0) checkpoint();
        }
    });
    EXPECT_EQ(ended, started);
    kept.clear();
    expect_in_order();
}

}  // namespace
}  // namespace tombolo::testing
