#include <tombolo/fibers/os/run_process.hpp>

#include "test/fibers/thrown.hpp"
#include "test/os/children.hpp"

#include <tombolo/fibers/cancel_scope.hpp>
#include <tombolo/fibers/clock.hpp>
#include <tombolo/fibers/errors.hpp>
#include <tombolo/fibers/event.hpp>
#include <tombolo/fibers/io_error.hpp>
#include <tombolo/fibers/nursery.hpp>
#include <tombolo/fibers/run.hpp>
#include <tombolo/fibers/timeouts.hpp>
#include <tombolo/testing/checkpoints.hpp>
#include <tombolo/testing/test.hpp>
#include <tombolo/testing/wait_all_tasks_blocked.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <optional>
#include <string>

namespace tombolo::os {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using testing::assert_checkpoints;
using ::testing::EndsWith;
using testing::has_no_children;
using ::testing::HasSubstr;
using testing::open_descriptors;
using testing::receive_to_end;
using testing::text_of;
using testing::thrown_by;
using testing::wait_all_tasks_blocked;
using ::testing::internal::CaptureStderr;
using ::testing::internal::GetCapturedStderr;

/// A child that goes on until it gets a signal; `started` is called when it runs.
template <class Started>
void run_until_killed(run_process_options options, Started started) {
    open_nursery([&](nursery& n) {
        process child =
            n.start<process>([&](task_status<process>& status) { run_process({"sleep", "1000000"}, status, options); });
        started(n, child);
    });
}

TOMBOLO_TEST(run_process, feeds_and_captures) {
    const completed_process done =
        assert_checkpoints([] { return run_process({"sort", "-u"}, {.input = "b\na\nb\n", .capture_output = true}); });
    EXPECT_EQ(done.returncode, 0);
    EXPECT_EQ(done.output, "a\nb\n");
    EXPECT_EQ(done.error_output, "");
    EXPECT_EQ(done.command.program(), "sort");
    EXPECT_TRUE(has_no_children());
}

TOMBOLO_TEST(run_process, carries_a_megabyte_each_way) {
    std::string bytes(1 << 20, '\0');
    for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(i * 31 + i / 251);
    EXPECT_TRUE(run_process({"cat"}, {.input = bytes, .capture_output = true}).output == bytes);
}

TOMBOLO_TEST(run_process, captures_one_stream_or_both) {
    const shell_command both("echo out; echo err >&2");
    const completed_process apart = run_process(both, {.capture_output = true});
    EXPECT_EQ(apart.output, "out\n");
    EXPECT_EQ(apart.error_output, "err\n");
    const completed_process merged = run_process(both, {.capture_stdout = true, .standard_error = redirect::to_stdout});
    EXPECT_EQ(merged.output, "out\nerr\n");
    const completed_process error = run_process(both, {.capture_stderr = true, .standard_output = redirect::null});
    EXPECT_EQ(error.output, "");
    EXPECT_EQ(error.error_output, "err\n");
}

TOMBOLO_TEST(run_process, gives_the_end_of_file_when_there_is_no_input) {
    EXPECT_EQ(run_process({"cat"}, {.capture_output = true}).output, "");
}

// Case 90: run_check.
TOMBOLO_TEST(run_process, throws_what_a_failing_program_said) {
    const shell_command failing("echo so far; echo one >&2; echo no such thing >&2; exit 3");
    const std::exception_ptr error = thrown_by([&] { run_process(failing, {.capture_output = true}); });
    const std::string text = text_of<process_failed>([&] { std::rethrow_exception(error); });
    EXPECT_THAT(text, AllOf(HasSubstr("/bin/sh -c"), EndsWith("exited with status 3: no such thing")));
    try {
        std::rethrow_exception(error);
    } catch (const process_failed& failed) {
        EXPECT_EQ(failed.result().returncode, 3);
        EXPECT_EQ(failed.result().output, "so far\n");
        EXPECT_EQ(failed.result().error_output, "one\nno such thing\n");
    }
    EXPECT_EQ(run_process(failing, {.capture_output = true, .check = false}).returncode, 3);
}

TOMBOLO_TEST(run_process, names_the_signal_that_killed_the_program) {
    const shell_command suicide("kill -9 $$");
    EXPECT_THAT(text_of<process_failed>([&] { run_process(suicide); }), EndsWith("was killed by signal 9 (SIGKILL)"));
    EXPECT_EQ(run_process(suicide, {.check = false}).returncode, -SIGKILL);
}

// Case 90: broken stdin.
TOMBOLO_TEST(run_process, does_not_mind_a_program_that_does_not_read_its_input) {
    const std::string input(1 << 20, 'x');
    EXPECT_EQ(run_process({"true"}, {.input = input}).returncode, 0);
    EXPECT_EQ(run_process(shell_command("exec 0<&-; echo x"), {.input = input, .capture_output = true}).output, "x\n");
}

TOMBOLO_TEST(run_process, passes_on_where_and_in_what_the_program_runs) {
    const completed_process done = run_process(
        shell_command("pwd; echo $A"),
        {.capture_output = true, .directory = "/usr", .environment = environment{{"A", "b"}}});
    EXPECT_EQ(done.output, "/usr\nb\n");
}

TOMBOLO_TEST(run_process, throws_bare_what_keeps_the_program_from_being_run) {
    const auto before = open_descriptors();
    EXPECT_THAT(
        text_of<io_error>([] { run_process({"no-such-program"}, {.input = "x", .capture_output = true}); }),
        HasSubstr("no-such-program"));
    EXPECT_EQ(open_descriptors(), before);
}

TOMBOLO_TEST(run_process, leaves_no_descriptor_open) {
    const auto before = open_descriptors();
    run_process({"cat"}, {.input = "x", .capture_output = true});
    EXPECT_EQ(open_descriptors(), before);
    run_until_killed({.deliver_cancel = &process::kill, .standard_output = redirect::pipe}, [](nursery& n, process&) {
        n.cancel_scope().cancel();
    });
    EXPECT_EQ(open_descriptors(), before);
}

TOMBOLO_TEST(run_process, refuses_options_that_contradict_each_other) {
    const auto refused = [](const run_process_options& options) {
        EXPECT_THROW(run_process({"true"}, options), usage_error);
    };
    refused({.input = "x", .standard_input = redirect::null});
    refused({.capture_output = true, .capture_stdout = true});
    refused({.capture_stdout = true, .standard_output = redirect::null});
    refused({.capture_output = true, .standard_error = redirect::to_stdout});
    refused({.standard_input = redirect::pipe});
    refused({.standard_output = redirect::pipe});
    refused({.standard_error = redirect::pipe});
    refused({.deliver_cancel = nullptr});
    EXPECT_TRUE(has_no_children());
}

TOMBOLO_TEST(run_process, hands_the_process_out_when_a_nursery_starts_it) {
    std::string said;
    std::optional<int> code;
    open_nursery([&](nursery& n) {
        process child = n.start<process>([&](task_status<process>& status) {
            code = run_process({"cat"}, status, {.standard_input = redirect::pipe, .standard_output = redirect::pipe})
                       .returncode;
        });
        child.standard_input().send_all("through");
        child.standard_input().aclose();
        said = receive_to_end(child.standard_output());
        EXPECT_EQ(child.wait(), 0);
    });
    EXPECT_EQ(said, "through");
    EXPECT_EQ(code, 0);
}

// Case 90: background_fail.
TOMBOLO_TEST(run_process, fails_in_the_nursery_that_started_it) {
    const std::exception_ptr error = thrown_by([] {
        run_until_killed({}, [](nursery&, process& child) {
            child.terminate();
            sleep_forever();
        });
    });
    ASSERT_TRUE(holds<exception_group>(error)) << describe(error);
    EXPECT_THAT(describe(error), HasSubstr("SIGTERM"));
    const std::exception_ptr spawn = thrown_by([] {
        open_nursery([](nursery& n) {
            n.start<process>([](task_status<process>& status) { run_process({"no-such-program"}, status); });
        });
    });
    EXPECT_THAT(describe(spawn), HasSubstr("no-such-program"));
}

// P4. With a real clock: the mock clock would jump over the five seconds while the child is on its way out.
TEST(run_process, terminates_the_child_when_it_is_cancelled) {
    run([] {
        std::optional<process> cancelled_child;
        run_until_killed({}, [&](nursery& n, process& child) {
            cancelled_child.emplace(child);
            n.cancel_scope().cancel("enough");
        });
        EXPECT_EQ(cancelled_child->poll(), -SIGTERM) << "it is over before the call is";
    });
    EXPECT_TRUE(has_no_children());
}

// Case 90: SIGKILL escalation warning.
TOMBOLO_TEST(run_process, kills_a_child_that_ignores_the_request_for_five_seconds) {
    std::optional<process> stubborn;
    const time_point begin = now();
    CaptureStderr();
    open_nursery([&](nursery& n) {
        stubborn.emplace(n.start<process>([&](task_status<process>& status) {
            run_process(
                shell_command("trap '' TERM; echo ready; while :; do read line; done"), status,
                {.standard_output = redirect::pipe});
        }));
        std::string ready(6, '\0');
        stubborn->standard_output().receive_some(ready);
        n.cancel_scope().cancel();
    });
    EXPECT_EQ(stubborn->poll(), -SIGKILL);
    EXPECT_EQ(now() - begin, 5s);
    EXPECT_THAT(
        GetCapturedStderr(),
        AllOf(HasSubstr(std::to_string(stubborn->pid())), HasSubstr("ignored SIGTERM for 5 seconds")));
}

// Case 90: custom_deliver_cancel.
TOMBOLO_TEST(run_process, lets_deliver_cancel_end_the_child_its_own_way) {
    int delivered = 0;
    bool cancelled_in_the_end = false;
    run_until_killed(
        {.deliver_cancel =
             [&](process& child) {
                 ++delivered;
                 checkpoint();  // it is shielded
                 child.send_signal(SIGUSR1);
                 try {
                     sleep_forever();
                 } catch (const cancelled&) {
                     cancelled_in_the_end = true;
                     throw;
                 }
             }},
        [](nursery& n, process& child) {
            n.cancel_scope().cancel();
            EXPECT_FALSE(move_on_after(1h, [&] { child.wait(); })) << "this one is cancelled, and not shielded";
        });
    EXPECT_EQ(delivered, 1);
    EXPECT_TRUE(cancelled_in_the_end);
    EXPECT_TRUE(has_no_children());
}

// Case 90: bad_deliver_cancel.
TOMBOLO_TEST(run_process, kills_the_child_when_deliver_cancel_fails_and_tells) {
    const std::exception_ptr error = thrown_by([] {
        run_until_killed(
            {.deliver_cancel = [](process&) { throw std::out_of_range("bad deliver_cancel"); }},
            [](nursery& n, process&) { n.cancel_scope().cancel(); });
    });
    EXPECT_THAT(describe(error), HasSubstr("bad deliver_cancel"));
    EXPECT_TRUE(has_no_children());
}

TOMBOLO_TEST(run_process, does_not_deliver_a_cancel_to_a_child_that_was_never_made) {
    cancel_scope scope;
    scope.cancel();
    EXPECT_FALSE(
        scope.run([] { run_process({"true"}, {.deliver_cancel = [](process&) { ADD_FAILURE() << "to whom?"; }}); }));
}

TOMBOLO_TEST(run_process, ends_the_child_when_a_deadline_passes) {
    EXPECT_FALSE(move_on_after(3s, [&] { run_process({"sleep", "1000000"}, {.deliver_cancel = &process::kill}); }));
    EXPECT_TRUE(has_no_children());
}

TOMBOLO_TEST(run_process, waits_for_output_that_a_grandchild_holds_open) {
    // The shell ends at once; what it left running writes later.
    const auto done =
        run_process(shell_command("(read line; echo $line) < /dev/null & echo first"), {.capture_output = true});
    EXPECT_EQ(done.output.size(), std::string("first\n\n").size());
}

}  // namespace
}  // namespace tombolo::os
