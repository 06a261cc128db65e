#include <tombolo/fibers/wait_fd.hpp>

#include "test/fibers/thrown.hpp"
#include "test/support/descriptors.hpp"

#include <tombolo/fibers/cancel_scope.hpp>
#include <tombolo/fibers/checkpoint.hpp>
#include <tombolo/fibers/nursery.hpp>
#include <tombolo/fibers/run.hpp>
#include <tombolo/fibers/statistics.hpp>
#include <tombolo/fibers/timeouts.hpp>
#include <tombolo/testing/checkpoints.hpp>
#include <tombolo/testing/test.hpp>
#include <tombolo/testing/wait_all_tasks_blocked.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <deque>
#include <functional>
#include <initializer_list>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

namespace tombolo::testing {
namespace {

using namespace std::chrono_literals;
using lowlevel::notify_closing;
using lowlevel::wait_readable;
using lowlevel::wait_writable;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using wait_function = void (*)(int);

/// How many tasks wait in each direction, without the run's own reader.
struct waiting {
    waiting(std::size_t readers, std::size_t writers) : readers(readers), writers(writers) {}
    waiting() {
        const lowlevel::io_statistics now = lowlevel::current_statistics().io;
        readers = now.tasks_waiting_read - 1;
        writers = now.tasks_waiting_write;
    }
    bool operator==(const waiting&) const = default;
    std::size_t readers = 0;
    std::size_t writers = 0;
};

int errno_of(const std::function<void()>& f) {
    try {
        f();
    } catch (const std::system_error& error) {
        EXPECT_EQ(error.code().category(), std::generic_category());
        return error.code().value();
    }
    return 0;
}

// case 60
TOMBOLO_TEST(wait_fd, readiness_is_a_level_and_not_an_event) {
    const open_pipe pipe;
    put(pipe.writer, "ab");
    for (int i = 0; i < 3; ++i) assert_checkpoints([&] { wait_readable(pipe.reader.get()); });
    for (int i = 0; i < 3; ++i) assert_checkpoints([&] { wait_writable(pipe.writer.get()); });
    EXPECT_EQ(take(pipe.reader), "ab");
    EXPECT_FALSE(move_on_after(1h, [&] { wait_readable(pipe.reader.get()); }));
}

// case 60
TOMBOLO_TEST(wait_fd, waits_until_there_is_something_to_read) {
    const open_pipe pipe;
    bool woken = false;
    open_nursery([&](nursery& n) {
        n.start_soon([&] {
            wait_readable(pipe.reader.get());
            woken = true;
        });
        wait_all_tasks_blocked();
        EXPECT_FALSE(woken);
        put(pipe.writer, "x");
        wait_all_tasks_blocked();
        EXPECT_TRUE(woken);
    });
}

// case 60
TOMBOLO_TEST(wait_fd, waits_until_there_is_room_to_write) {
    const open_sockets sockets;
    fill(sockets.near);
    bool woken = false;
    open_nursery([&](nursery& n) {
        n.start_soon([&] {
            wait_writable(sockets.near.get());
            woken = true;
        });
        wait_all_tasks_blocked();
        EXPECT_FALSE(woken);
        take(sockets.far);
        wait_all_tasks_blocked();
        EXPECT_TRUE(woken);
    });
}

TOMBOLO_TEST(wait_fd, the_end_of_the_other_side_is_readable_and_writable) {
    open_sockets sockets;
    fill(sockets.near);
    open_nursery([&](nursery& n) {
        n.start_soon([&] { wait_readable(sockets.near.get()); });
        n.start_soon([&] { wait_writable(sockets.near.get()); });
        wait_all_tasks_blocked();
        EXPECT_EQ(waiting(), waiting(1, 1));
        sockets.far.reset();
    });
    EXPECT_EQ(waiting(), waiting(0, 0));
    open_pipe pipe;
    pipe.reader.reset();
    wait_writable(pipe.writer.get());
}

// case 60
TOMBOLO_TEST(wait_fd, a_second_task_for_the_same_direction_is_refused_and_the_first_waits_on) {
    const open_sockets sockets;
    fill(sockets.near);
    int woken = 0;
    open_nursery([&](nursery& n) {
        const auto wait_for = [&](wait_function wait) {
            return [&, wait] {
                wait(sockets.near.get());
                ++woken;
            };
        };
        n.start_soon(wait_for(wait_readable), {.name = "first reader"});
        n.start_soon(wait_for(wait_writable), {.name = "first writer"});
        wait_all_tasks_blocked();
        const int fd = sockets.near.get();
        for (const auto& [wait, first] : std::initializer_list<std::pair<wait_function, const char*>>{
                 {wait_readable, "first reader"}, {wait_writable, "first writer"}}) {
            EXPECT_THAT(
                text_of<busy_resource>([&, wait = wait] { wait(fd); }),
                AllOf(HasSubstr(first), HasSubstr("descriptor " + std::to_string(fd)), HasSubstr("only one task may")));
        }
        EXPECT_EQ(waiting(), waiting(1, 1));
        EXPECT_EQ(woken, 0);
        put(sockets.far, "x");
        take(sockets.far);
    });
    EXPECT_EQ(woken, 2);
    wait_readable(sockets.near.get());
}

// case 61
TOMBOLO_TEST(wait_fd, announcing_the_close_wakes_both_directions_and_forgets_the_descriptor) {
    const open_sockets sockets;
    fill(sockets.near);
    const int fd = sockets.near.get();
    std::vector<std::string> texts;
    open_nursery([&](nursery& n) {
        for (const wait_function wait : {wait_readable, wait_writable})
            n.start_soon([&, wait] { texts.push_back(text_of<closed_resource>([&] { wait(fd); })); });
        wait_all_tasks_blocked();
        EXPECT_EQ(waiting(), waiting(1, 1));
        assert_no_checkpoints([&] { notify_closing(fd); });
        EXPECT_EQ(waiting(), waiting(0, 0));
    });
    const auto tells = AllOf(HasSubstr("descriptor " + std::to_string(fd)), HasSubstr("closed"));
    EXPECT_THAT(texts, ::testing::ElementsAre(tells, tells));
    take(sockets.far);
    wait_writable(fd);
}

// case 61
TOMBOLO_TEST(wait_fd, announcing_the_close_of_what_nobody_waits_for_is_harmless) {
    const open_pipe pipe;
    for (const int fd : {-1, -1000, 0, 123'456, pipe.reader.get()}) notify_closing(fd);
    put(pipe.writer, "x");
    wait_readable(pipe.reader.get());
}

TOMBOLO_TEST(wait_fd, a_cancelled_wait_leaves_the_descriptor_and_the_other_direction_alone) {
    const open_sockets sockets;
    fill(sockets.near);
    cancel_scope scope;
    bool woken = false;
    open_nursery([&](nursery& n) {
        n.start_soon([&] { scope.run([&] { wait_writable(sockets.near.get()); }); });
        n.start_soon([&] {
            wait_readable(sockets.near.get());
            woken = true;
        });
        wait_all_tasks_blocked();
        scope.cancel();
        EXPECT_EQ(waiting(), waiting(1, 0)) << "withdrawn inside of cancel()";
        wait_all_tasks_blocked();
        EXPECT_TRUE(scope.cancelled_caught());
        take(sockets.far);
        wait_all_tasks_blocked();
        EXPECT_FALSE(woken);
        put(sockets.far, "x");
    });
    EXPECT_TRUE(woken);
    wait_writable(sockets.near.get());
}

// C-4
TOMBOLO_TEST(wait_fd, a_task_that_was_woken_before_it_is_cancelled_returns_normally) {
    const open_pipe pipe;
    cancel_scope scope;
    bool returned = false;
    open_nursery([&](nursery& n) {
        n.start_soon([&] {
            scope.run([&] {
                wait_readable(pipe.reader.get());
                returned = true;
            });
        });
        wait_all_tasks_blocked();
        put(pipe.writer, "x");
        for (int i = 0; i < 100 && waiting() != waiting(0, 0); ++i) lowlevel::cancel_shielded_checkpoint();
        scope.cancel();  // in the pass in which the task was woken: half of the time before it runs
    });
    EXPECT_TRUE(returned);
    EXPECT_FALSE(scope.cancelled_caught());
}

// case 62
TOMBOLO_TEST(wait_fd, carries_a_megabyte_each_way_through_one_pair_of_sockets) {
    constexpr std::size_t total = 1 << 20;
    const open_sockets sockets;
    const auto send = [](const unique_fd& to, char seed) {
        std::string bytes(total, '\0');
        for (std::size_t i = 0; i < total; ++i) bytes[i] = static_cast<char>(seed + i / 7);
        for (std::size_t sent = 0; sent < total;) {
            const ssize_t n = ::send(to.get(), bytes.data() + sent, total - sent, MSG_NOSIGNAL);
            if (n > 0)
                sent += static_cast<std::size_t>(n);
            else
                wait_writable(to.get());
        }
    };
    const auto receive = [](const unique_fd& from, char seed) {
        std::string bytes;
        while (bytes.size() < total) {
            wait_readable(from.get());
            bytes += take(from);
        }
        for (std::size_t i = 0; i < total; ++i) ASSERT_EQ(bytes[i], static_cast<char>(seed + i / 7)) << i;
    };
    open_nursery([&](nursery& n) {
        n.start_soon([&] { send(sockets.near, 'n'); });
        n.start_soon([&] { send(sockets.far, 'f'); });
        n.start_soon([&] { receive(sockets.near, 'f'); });
        n.start_soon([&] { receive(sockets.far, 'n'); });
    });
}

TOMBOLO_TEST(wait_fd, wakes_any_number_of_tasks_at_once) {
    std::deque<open_pipe> pipes(200);
    int woken = 0;
    open_nursery([&](nursery& n) {
        for (const open_pipe& pipe : pipes)
            n.start_soon([&] {
                wait_readable(pipe.reader.get());
                ++woken;
            });
        wait_all_tasks_blocked();
        EXPECT_EQ(waiting(), waiting(200, 0));
        for (const open_pipe& pipe : pipes) put(pipe.writer, "x");
        wait_all_tasks_blocked();
        EXPECT_EQ(woken, 200);
    });
}

TEST(wait_fd, is_looked_at_while_other_tasks_never_rest) {
    bool woken = false;
    const auto main = [&] {
        const open_pipe pipe;
        open_nursery([&](nursery& n) {
            n.start_soon([&] {
                wait_readable(pipe.reader.get());
                woken = true;
            });
            checkpoint();
            put(pipe.writer, "x");
            for (int i = 0; i < 100'000 && !woken; ++i) checkpoint();
            EXPECT_TRUE(woken);
        });
    };
    run(main);
    woken = false;
    EXPECT_THAT(run_test_body(main).failure, IsEmpty());
}

TEST(wait_fd, wakes_a_run_that_sleeps) {
    const open_pipe pipe;
    std::thread other;
    run([&] {
        other = std::thread([&] { put(pipe.writer, "x"); });
        wait_readable(pipe.reader.get());
    });
    other.join();
    EXPECT_EQ(take(pipe.reader), "x");
}

// case 64
TOMBOLO_TEST(wait_fd, statistics_count_the_waiting_tasks_of_each_direction_and_the_runs_own_reader) {
    const open_sockets a;
    const open_sockets b;
    fill(a.near);
    lowlevel::io_statistics now = lowlevel::current_statistics().io;
    EXPECT_EQ(now.backend, "epoll");
    EXPECT_EQ(now.tasks_waiting_read, 1U) << "the run's own";
    EXPECT_EQ(now.tasks_waiting_write, 0U);
    open_nursery([&](nursery& n) {
        n.start_soon([&] { wait_readable(a.near.get()); });
        n.start_soon([&] { wait_readable(b.near.get()); });
        n.start_soon([&] { wait_writable(a.near.get()); });
        wait_all_tasks_blocked();
        now = lowlevel::current_statistics().io;
        EXPECT_EQ(now.tasks_waiting_read, 3U);
        EXPECT_EQ(now.tasks_waiting_write, 1U);
        put(a.far, "x");
        wait_all_tasks_blocked();
        EXPECT_EQ(waiting(), waiting(1, 1));
        n.cancel_scope().cancel();
    });
    EXPECT_EQ(waiting(), waiting(0, 0));
}

TOMBOLO_TEST(wait_fd, refuses_descriptors_that_nobody_can_wait_for_and_goes_on) {
    for (const wait_function wait : {wait_readable, wait_writable}) {
        for (const int fd : {-1, -7}) {
            EXPECT_THAT(
                text_of<invalid_descriptor>([&] { wait(fd); }),
                AllOf(HasSubstr("descriptor " + std::to_string(fd)), HasSubstr("negative"), HasSubstr("open one")));
        }
        constexpr int closed = 987;  // nothing in this program has as many open
        const auto not_open = text_of<std::system_error>([&] { wait(closed); });
        EXPECT_THAT(not_open, AllOf(HasSubstr("descriptor " + std::to_string(closed)), HasSubstr("is not open")));
        EXPECT_EQ(errno_of([&] { wait(closed); }), EBADF);
        const unique_fd file(::open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
        EXPECT_THAT(text_of<std::system_error>([&] { wait(file.get()); }), HasSubstr("regular file"));
        EXPECT_EQ(errno_of([&] { wait(file.get()); }), EPERM);
        EXPECT_EQ(waiting(), waiting(0, 0));
    }
}

TEST(wait_fd, outside_a_run_there_is_nobody_to_wake) {
    text_of<not_in_run>([] { wait_readable(0); });
    text_of<not_in_run>([] { wait_writable(0); });
    EXPECT_THAT(text_of<not_in_run>([] { notify_closing(0); }), HasSubstr("tombolo::run"));
}

}  // namespace
}  // namespace tombolo::testing
