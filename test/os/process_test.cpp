#include <tombolo/fibers/os/process.hpp>

#include "test/fibers/thrown.hpp"
#include "test/os/children.hpp"

#include <tombolo/fibers/cancel_scope.hpp>
#include <tombolo/fibers/errors.hpp>
#include <tombolo/fibers/io_error.hpp>
#include <tombolo/fibers/nursery.hpp>
#include <tombolo/testing/checkpoints.hpp>
#include <tombolo/testing/test.hpp>
#include <tombolo/testing/wait_all_tasks_blocked.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <filesystem>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <unistd.h>

// A child from its start to its end. What it is started with is in process_options_test.cpp.

namespace tombolo::os {
namespace {

using ::testing::AllOf;
using testing::assert_checkpoints;
using testing::assert_no_checkpoints;
using testing::block_until_ended;
using testing::has_no_children;
using ::testing::HasSubstr;
using testing::open_descriptors;
using testing::receive_to_end;
using testing::text_of;
using testing::wait_all_tasks_blocked;

/// Ends when its standard input does.
process open_cat() {
    return open_process({"cat"}, {.standard_input = redirect::pipe, .standard_output = redirect::pipe});
}

TOMBOLO_TEST(process, tells_how_its_program_exited) {
    process child = open_process({"sh", "-c", "exit 7"});
    EXPECT_GT(child.pid(), 0);
    EXPECT_EQ(child.command().program(), "sh");
    EXPECT_EQ(assert_checkpoints([&] { return child.wait(); }), 7);
    EXPECT_EQ(assert_checkpoints([&] { return child.wait(); }), 7) << "and again";
    EXPECT_EQ(child.returncode(), 7);
    EXPECT_TRUE(has_no_children());
}

TOMBOLO_TEST(process, tells_which_signal_killed_its_program) {
    process killed = open_cat();
    killed.kill();
    EXPECT_EQ(killed.wait(), -SIGKILL);
    process terminated = open_cat();
    terminated.terminate();
    EXPECT_EQ(terminated.wait(), -SIGTERM);
    process other = open_cat();
    other.send_signal(SIGUSR1);
    EXPECT_EQ(other.wait(), -SIGUSR1);
}

TOMBOLO_TEST(process, is_looked_at_without_waiting) {
    process child = open_cat();
    EXPECT_EQ(assert_no_checkpoints([&] { return child.poll(); }), std::nullopt);
    child.standard_input().close();
    block_until_ended(child);
    EXPECT_EQ(assert_no_checkpoints([&] { return child.poll(); }), 0);
    EXPECT_EQ(child.poll(), 0);
}

// Case 90: multi_wait.
TOMBOLO_TEST(process, is_waited_for_by_many_tasks_of_which_some_are_cancelled) {
    process child = open_cat();
    int ended = 0;
    cancel_scope scope;
    open_nursery([&](nursery& n) {
        for (int i = 0; i < 5; ++i) n.start_soon([&] { ended += child.wait() == -SIGKILL; });
        n.start_soon([&] {
            EXPECT_FALSE(scope.run([&] {
                open_nursery([&](nursery& cancelled_ones) {
                    for (int i = 0; i < 3; ++i) cancelled_ones.start_soon([&] { child.wait(); });
                });
            }));
        });
        wait_all_tasks_blocked();
        scope.cancel();
        wait_all_tasks_blocked();
        EXPECT_EQ(ended, 0);
        child.kill();
    });
    EXPECT_EQ(ended, 5);
}

// P2, trio's test_subprocess_pidfd_unnotified.
TOMBOLO_TEST(process, wakes_who_waits_when_another_task_sees_its_end_first) {
    process child = open_cat();
    std::optional<int> seen;
    open_nursery([&](nursery& n) {
        n.start_soon([&] { seen = child.wait(); });
        wait_all_tasks_blocked();
        assert_no_checkpoints([&] {
            child.terminate();
            block_until_ended(child);
            EXPECT_EQ(child.poll(), -SIGTERM);
        });
    });
    EXPECT_EQ(seen, -SIGTERM);
}

TOMBOLO_TEST(process, gets_no_signal_after_its_end) {
    process child = open_process({"true"});
    block_until_ended(child);
    assert_no_checkpoints([&] { child.kill(); });
    EXPECT_EQ(child.wait(), 0);
    child.terminate();
    EXPECT_THROW(child.send_signal(-1), invalid_signal);
    EXPECT_THROW(child.send_signal(1000), invalid_signal);
}

TOMBOLO_TEST(process, takes_and_gives_a_megabyte_through_its_standard_streams) {
    process child = open_cat();
    auto streams = child.standard_streams();
    const std::string bytes(1 << 20, 'm');
    std::string back;
    open_nursery([&](nursery& n) {
        n.start_soon([&] {
            streams.send_all(bytes);
            streams.send_eof();
        });
        back = receive_to_end(child.standard_output());
    });
    EXPECT_TRUE(back == bytes);
    EXPECT_EQ(child.wait(), 0);
    EXPECT_FALSE(child.standard_error().is_open());
    EXPECT_THROW(child.standard_error().send_all("x"), closed_resource);
}

TOMBOLO_TEST(process, breaks_the_pipe_to_a_child_that_closed_its_standard_input) {
    process child = open_process(
        {"sh", "-c", "exec 0<&-; echo closed; exec sleep 1000"},
        {.standard_input = redirect::pipe, .standard_output = redirect::pipe});
    std::string said(6, '\0');
    child.standard_output().receive_some(mutable_bytes(said).up_to(1));
    EXPECT_THROW(child.standard_input().send_all("x"), broken_stream);
    child.kill();
    EXPECT_EQ(child.wait(), -SIGKILL);
}

TOMBOLO_TEST(process, stands_for_the_same_child_in_each_copy_of_its_handle) {
    process child = open_cat();
    process same = child;
    EXPECT_EQ(same.pid(), child.pid());
    same.standard_input().close();
    EXPECT_EQ(child.wait(), 0);
    EXPECT_EQ(same.poll(), 0);
}

TOMBOLO_TEST(process, leaves_no_zombie_when_nobody_has_its_handle) {
    {
        process ended = open_process({"true"});
        block_until_ended(ended);
    }
    EXPECT_TRUE(has_no_children());
    {
        // It goes on, and sees the end of its input.
        process running = open_cat();
        EXPECT_EQ(running.poll(), std::nullopt);
    }
    while (!has_no_children()) std::this_thread::yield();
}

TOMBOLO_TEST(process, survives_the_loss_of_its_pidfd) {
    process child = open_cat();
    open_nursery([&](nursery& n) {
        n.start_soon([&] { child.wait(); });
        wait_all_tasks_blocked();
        for (const auto& each : std::filesystem::directory_iterator("/proc/self/fd"))
            if (std::filesystem::read_symlink(each.path()) == "anon_inode:[pidfd]")
                ::close(std::stoi(each.path().filename().string()));
        wait_all_tasks_blocked();
        n.cancel_scope().cancel();
    });
    EXPECT_EQ(child.poll(), std::nullopt);
    EXPECT_THROW(child.kill(), io_error);
    child.standard_input().close();
    block_until_ended(child);
    EXPECT_EQ(child.wait(), 0);
}

TOMBOLO_TEST(process, has_a_returncode_also_when_somebody_else_took_its_status) {
    process child = open_process({"true"});
    siginfo_t end;
    EXPECT_EQ(::waitid(P_ALL, 0, &end, WEXITED), 0);
    EXPECT_EQ(child.wait(), 255);
}

TOMBOLO_TEST(open_process, names_the_program_that_cannot_be_run) {
    const auto before = open_descriptors();
    const process_options piped{
        .standard_input = redirect::pipe, .standard_output = redirect::pipe, .standard_error = redirect::pipe};
    const auto error = [&](const command& what, process_options options) {
        return text_of<io_error>([&] { static_cast<void>(open_process(what, options)); });
    };
    EXPECT_EQ(
        error({"no-such-program", "x"}, piped),
        "open_process: cannot run \"no-such-program\": No such file or directory");
    EXPECT_EQ(
        error({"/no/such/program"}, piped), "open_process: cannot run \"/no/such/program\": No such file or directory");
    EXPECT_EQ(error({"/etc/passwd"}, piped), "open_process: cannot run \"/etc/passwd\": Permission denied");
    EXPECT_EQ(
        error({"passwd"}, {.environment = environment{{"PATH", "/nowhere:/etc"}}}),
        "open_process: cannot run \"passwd\": Permission denied")
        << "found, but of no use";
    EXPECT_THAT(
        error({"true"}, process_options{.directory = "/no/such/place"}),
        AllOf(HasSubstr("/no/such/place"), HasSubstr("true")));
    EXPECT_TRUE(has_no_children());
    EXPECT_EQ(open_descriptors(), before);
}

// Case 90: for_leaking_fds.
TOMBOLO_TEST(open_process, leaves_no_descriptor_open) {
    const auto before = open_descriptors();
    {
        process child = open_process(
            {"cat"},
            {.standard_input = redirect::null, .standard_output = redirect::pipe, .standard_error = redirect::pipe});
        EXPECT_EQ(open_descriptors(), before + 3) << "two pipes and the pidfd";
        child.wait();
        EXPECT_EQ(open_descriptors(), before + 2);
    }
    EXPECT_EQ(open_descriptors(), before);
}

TOMBOLO_TEST(open_process, makes_no_child_when_it_is_cancelled_before) {
    const auto before = open_descriptors();
    cancel_scope scope;
    scope.cancel();
    EXPECT_FALSE(scope.run([] { static_cast<void>(open_cat()); }));
    EXPECT_TRUE(has_no_children());
    EXPECT_EQ(open_descriptors(), before);
}

TOMBOLO_TEST(open_process, starts_fifty_at_once) {
    int ended = 0;
    open_nursery([&](nursery& n) {
        for (int i = 0; i < 50; ++i)
            n.start_soon([&, i] {
                process child = open_process({"sh", "-c", "exit " + std::to_string(i)});
                EXPECT_EQ(child.wait(), i);
                ++ended;
            });
    });
    EXPECT_EQ(ended, 50);
    EXPECT_TRUE(has_no_children());
}

TEST(command, refuses_what_cannot_be_run) {
    EXPECT_THROW(command(std::vector<std::string>()), usage_error);
    EXPECT_THROW(command({""}), usage_error);
    EXPECT_THROW(command({"sh", std::string("a\0b", 3)}), usage_error);
}

TEST(command, is_shown_in_one_line) {
    EXPECT_EQ(command({"sort", "-k", "2 n", ""}).to_string(), "sort -k '2 n' ''");
    EXPECT_EQ(command(shell_command("ls | wc")).to_string(), "/bin/sh -c 'ls | wc'");
    EXPECT_LT(command({"echo", std::string(10'000, 'x')}).to_string().size(), 300U);
}

}  // namespace
}  // namespace tombolo::os
