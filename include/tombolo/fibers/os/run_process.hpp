#pragma once

#include <tombolo/base/bytes.hpp>
#include <tombolo/fibers/errors.hpp>
#include <tombolo/fibers/os/process.hpp>
#include <tombolo/fibers/task_status.hpp>

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace tombolo::os {

/// Ends a child that run_process no longer wants: SIGTERM, and when it still runs five seconds later a warning on stderr and SIGKILL.
/// Checkpoint: always. Cancellation: ends the wait; run_process does so when the child has ended. Throws: cancelled.
/// Source: trio's default deliver_cancel.
void terminate_then_kill(process& child);

struct run_process_options {
    /// What the child reads from its standard input, and then the end. Nothing, unless standard_input says otherwise.
    /// Lifetime: outlives the call.
    const_bytes input = {};

    /// Both, or one of them, into completed_process.
    bool capture_output = false;
    bool capture_stdout = false;
    bool capture_stderr = false;

    /// Whether a returncode other than 0 is an error.
    bool check = true;

    /// Called when the call is cancelled or fails while the child runs. It has a task and a shielded scope of its own, which is cancelled
    /// when the child has ended; the call goes on only then. It may do anything that ends the child, and may wait. What it throws
    /// leaves with the other errors, and the child gets SIGKILL.
    std::function<void(process&)> deliver_cancel = terminate_then_kill;

    /// Not together with `input`. redirect::pipe only where a task_status hands the process out.
    std::optional<redirect> standard_input = std::nullopt;
    /// Not together with capturing it. redirect::pipe as above.
    redirect standard_output = redirect::inherit;
    redirect standard_error = redirect::inherit;

    /// As in process_options.
    std::filesystem::path directory = {};
    std::optional<os::environment> environment = std::nullopt;
    bool new_process_group = false;
    bool new_session = false;
    std::vector<int> pass_descriptors = {};
    bool reset_signals = true;
};

struct completed_process {
    os::command command;
    /// The exit status, or the negative number of the signal that killed it.
    int returncode = 0;
    /// What it wrote, as far as it was captured.
    std::string output = {};
    std::string error_output = {};
};

/// Thrown by run_process for a child that did not return 0. Its text has the command, how it ended, and the last line of its
/// error output if that was captured. Source: subprocess.CalledProcessError.
class process_failed : public runtime_failure {
public:
    explicit process_failed(completed_process result);
    /// Lifetime: this object's and its copies'.
    const completed_process& result() const noexcept { return *result_; }

private:
    std::shared_ptr<const completed_process> result_;
};

/// Runs a program to its end:
/// `auto done = os::run_process({"sort", "-u"}, {.input = text, .capture_output = true});`
/// It is over when the child has ended and its captured output too, which its own children may hold open longer. The child never
/// outlives the call: cancelled, it ends the child first, by options.deliver_cancel.
/// Checkpoint: always. Cancellation: the child is ended, and then `cancelled` is thrown.
/// Throws: process_failed when options.check; io_error when the program cannot be started; usage_error for options that contradict
/// each other; in a group: what reading the output or deliver_cancel throws, and cancelled; what open_process throws.
/// Source: trio.run_process.
completed_process run_process(const command& what, const run_process_options& options = {});

/// The same for a task that nursery::start makes, to talk to the child while it runs:
/// `process child = n.start<process>([](task_status<process>& s) { run_process({"cat"}, s, {.standard_input = redirect::pipe}); });`
/// Checkpoint: always. Cancellation: the child is ended, and then `cancelled` is thrown. Throws: the same.
completed_process run_process(
    const command& what, task_status<process>& status, const run_process_options& options = {});

}  // namespace tombolo::os
