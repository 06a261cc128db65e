#include "test/fibers/thrown.hpp"
#include "test/os/children.hpp"

#include <tombolo/fibers/errors.hpp>
#include <tombolo/fibers/os/fd_stream.hpp>
#include <tombolo/fibers/os/process.hpp>
#include <tombolo/fibers/run.hpp>
#include <tombolo/testing/test.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <cstdint>
#include <sstream>
#include <string>

#include <fcntl.h>
#include <unistd.h>

// What a child finds when it begins.

namespace tombolo::os {
namespace {

using ::testing::HasSubstr;
using testing::receive_to_end;
using testing::text_of;

/// What the command writes to its standard output.
std::string output_of(const command& what, process_options options = {}) {
    options.standard_output = redirect::pipe;
    process child = open_process(what, options);
    const std::string said = receive_to_end(child.standard_output());
    child.wait();
    return said;
}

/// A line of the child's /proc/self/status with a signal mask. Bit 0 is signal 1.
std::uint64_t signal_mask_of(const std::string& status, const std::string& name) {
    std::istringstream lines(status);
    for (std::string word; lines >> word;)
        if (word == name + ":") {
            lines >> word;
            return std::stoull(word, nullptr, 16);
        }
    ADD_FAILURE() << "no " << name << " in " << status;
    return 0;
}

constexpr std::uint64_t bit(int signal) { return std::uint64_t{1} << (signal - 1); }

TOMBOLO_TEST(process_options, redirect_standard_streams) {
    EXPECT_EQ(output_of({"cat"}, {.standard_input = redirect::null}), "");
    EXPECT_EQ(
        output_of(shell_command("echo out; echo err >&2"), {.standard_error = redirect::to_stdout}), "out\nerr\n");
    EXPECT_EQ(output_of(shell_command("echo out; echo err >&2"), {.standard_error = redirect::null}), "out\n");

    auto [reader, writer] = open_pipe();
    process child = open_process({"echo", "hello"}, {.standard_output = redirect::descriptor(writer.fd())});
    EXPECT_TRUE(writer.is_open()) << "it stays ours";
    writer.close();
    EXPECT_EQ(receive_to_end(reader), "hello\n");
    child.wait();
}

TOMBOLO_TEST(process_options, redirect_standard_error_to_where_a_descriptor_sends_standard_output) {
    auto [reader, writer] = open_pipe();
    process child = open_process(
        shell_command("echo out; echo err >&2"),
        {.standard_output = redirect::descriptor(writer.fd()), .standard_error = redirect::to_stdout});
    writer.close();
    EXPECT_EQ(receive_to_end(reader), "out\nerr\n");
    child.wait();
}

// Whatever is opened then gets the numbers 0 and 1, in an order that is not the child's.
TEST(process_options, redirect_although_this_process_has_its_own_standard_streams_closed) {
    const int input = ::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
    const int output = ::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
    ASSERT_GE(output, 0);
    ::close(STDIN_FILENO);
    ::close(STDOUT_FILENO);
    std::string said;
    run([&] {
        auto [other_reader, other_writer] = open_pipe();
        process child = open_process(
            shell_command("cat; echo err >&2"),
            {.standard_input = redirect::pipe,
             .standard_output = redirect::pipe,
             .standard_error = redirect::to_stdout});
        other_writer.close();
        child.standard_input().send_all("in ");
        child.standard_input().close();
        said = receive_to_end(child.standard_output());
        child.wait();
    });
    if (input >= 0) ::dup2(input, STDIN_FILENO);
    ::dup2(output, STDOUT_FILENO);
    ::close(input);
    ::close(output);
    EXPECT_EQ(said, "in err\n");
}

TOMBOLO_TEST(process_options, say_where_the_child_starts) {
    EXPECT_EQ(output_of({"pwd"}, {.directory = "/usr/bin"}), "/usr/bin\n");
    EXPECT_EQ(output_of({"./sh", "-c", "echo here"}, {.directory = "/usr/bin"}), "here\n");
}

TOMBOLO_TEST(process_options, say_what_its_environment_is) {
    ::setenv("TOMBOLO_IN_A_TEST", "set", 1);
    EXPECT_EQ(output_of(shell_command("echo $TOMBOLO_IN_A_TEST")), "set\n");
    EXPECT_EQ(
        output_of({"env"}, {.environment = environment{{"PATH", "/usr/bin"}, {"A", "b=c"}}}), "A=b=c\nPATH=/usr/bin\n");
    environment all = current_environment();
    EXPECT_EQ(all["TOMBOLO_IN_A_TEST"], "set");
    all["TOMBOLO_IN_A_TEST"] = "changed";
    EXPECT_EQ(output_of(shell_command("echo $TOMBOLO_IN_A_TEST"), {.environment = all}), "changed\n");
    EXPECT_EQ(output_of({"env"}, {.environment = environment()}), "") << "found in the default path";
    ::unsetenv("TOMBOLO_IN_A_TEST");
}

TOMBOLO_TEST(process_options, look_for_the_program_in_the_childs_path) {
    EXPECT_THROW(
        static_cast<void>(open_process({"true"}, {.environment = environment{{"PATH", "/nowhere"}}})), io_error);
    EXPECT_EQ(output_of({"echo", "x"}, {.environment = environment{{"PATH", "/nowhere::/bin"}}}), "x\n");
}

TOMBOLO_TEST(process_options, make_a_group_or_a_session) {
    // pid, process group, session: fields of stat behind the name.
    const auto ids = [](process_options options) {
        std::istringstream fields(output_of(shell_command("exec cut -d ' ' -f 1,5,6 /proc/self/stat"), options));
        struct {
            int pid = 0, group = 0, session = 0;
        } found;
        fields >> found.pid >> found.group >> found.session;
        return found;
    };
    const auto plain = ids({});
    EXPECT_EQ(plain.group, ::getpgrp());
    EXPECT_EQ(plain.session, ::getsid(0));
    const auto grouped = ids({.new_process_group = true});
    EXPECT_EQ(grouped.group, grouped.pid);
    EXPECT_EQ(grouped.session, ::getsid(0));
    const auto alone = ids({.new_session = true});
    EXPECT_EQ(alone.session, alone.pid);
}

// Case 90: for_leaking_fds, from the child's side.
TOMBOLO_TEST(process_options, pass_the_descriptors_that_they_name_and_no_others) {
    int inheritable[2];
    ASSERT_EQ(::pipe(inheritable), 0);
    const unique_fd leaky_reader(inheritable[0]);
    const unique_fd leaky_writer(inheritable[1]);
    auto [reader, writer] = open_pipe();
    // One more: what ls reads the folder with.
    EXPECT_EQ(output_of(shell_command("ls /proc/self/fd | wc -l")), "4\n");
    EXPECT_EQ(
        output_of(shell_command("ls /proc/self/fd | wc -l"), {.pass_descriptors = {writer.fd(), inheritable[0]}}),
        "6\n");
    const std::string number = std::to_string(writer.fd());
    output_of(shell_command("echo through >&" + number), {.pass_descriptors = {writer.fd()}});
    EXPECT_EQ(::fcntl(writer.fd(), F_GETFD), FD_CLOEXEC) << "here nothing has changed";
    EXPECT_EQ(::fcntl(inheritable[0], F_GETFD), 0);
    writer.close();
    EXPECT_EQ(receive_to_end(reader), "through\n");
}

TOMBOLO_TEST(process_options, give_the_child_a_fresh_signal_state) {
    struct sigaction before_pipe{};
    struct sigaction before_hup{};
    struct sigaction ignore{};
    ignore.sa_handler = SIG_IGN;
    ::sigaction(SIGPIPE, &ignore, &before_pipe);
    ::sigaction(SIGHUP, &ignore, &before_hup);
    sigset_t usr1;
    sigset_t before;
    sigemptyset(&usr1);
    sigaddset(&usr1, SIGUSR1);
    ::pthread_sigmask(SIG_BLOCK, &usr1, &before);

    const std::string fresh = output_of({"cat", "/proc/self/status"});
    const std::string inherited = output_of({"cat", "/proc/self/status"}, {.reset_signals = false});

    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    ::sigaction(SIGPIPE, &before_pipe, nullptr);
    ::sigaction(SIGHUP, &before_hup, nullptr);

    EXPECT_EQ(signal_mask_of(fresh, "SigBlk"), 0U);
    EXPECT_EQ(signal_mask_of(fresh, "SigIgn") & bit(SIGPIPE), 0U);
    EXPECT_NE(signal_mask_of(fresh, "SigIgn") & bit(SIGHUP), 0U) << "nohup";
    EXPECT_EQ(signal_mask_of(fresh, "SigCgt"), 0U);
    EXPECT_EQ(signal_mask_of(inherited, "SigBlk"), bit(SIGUSR1));
    EXPECT_NE(signal_mask_of(inherited, "SigIgn") & bit(SIGPIPE), 0U);
}

TOMBOLO_TEST(process_options, are_checked_before_anything_happens) {
    const auto refused = [](const process_options& options) {
        static_cast<void>(open_process({"true"}, options));
        ADD_FAILURE() << "started";
    };
    EXPECT_THROW(refused({.new_process_group = true, .new_session = true}), usage_error);
    EXPECT_THROW(refused({.standard_input = redirect::to_stdout}), usage_error);
    EXPECT_THROW(refused({.standard_output = redirect::to_stdout}), usage_error);
    EXPECT_THROW(refused({.standard_output = redirect::descriptor(999)}), invalid_descriptor);
    EXPECT_THROW(redirect::descriptor(-1), invalid_descriptor);
    EXPECT_THAT(text_of<invalid_descriptor>([&] { refused({.pass_descriptors = {1}}); }), HasSubstr("0, 1 and 2"));
    EXPECT_THROW(refused({.pass_descriptors = {999}}), invalid_descriptor);
    EXPECT_THROW(refused({.environment = environment{{"A=", "x"}}}), usage_error);
    EXPECT_THROW(refused({.environment = environment{{"A", std::string("x\0y", 3)}}}), usage_error);
    EXPECT_THROW(refused({.directory = std::string("x\0y", 3)}), usage_error);
}

}  // namespace
}  // namespace tombolo::os
