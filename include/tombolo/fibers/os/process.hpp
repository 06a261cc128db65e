#pragma once

#include <tombolo/fibers/os/command.hpp>
#include <tombolo/fibers/os/fd_stream.hpp>
#include <tombolo/fibers/os/process_options.hpp>
#include <tombolo/fibers/os/stapled_stream.hpp>

#include <memory>
#include <optional>

namespace tombolo::kernel {
struct child_record;
}  // namespace tombolo::kernel

namespace tombolo::os {

/// A child process. Most programs want run_process, which also waits for it, feeds it, and ends it when cancelled.
///
/// It is a handle: copies stand for the same child. The child is known by a pidfd, so that a signal never reaches another
/// process that got its number. When the last handle goes while the child runs, the child goes on, its pipes are closed, and a
/// thread waits for its end, so that no zombie remains; to end it, kill() it or use run_process.
///
/// Lifetime: a handle is not assigned or destroyed while a task is in one of its calls, nor a stream while one is in the stream's. Not
/// thread-safe. Requires: nobody else waits for the child (waitpid(-1), an ignored SIGCHLD): its returncode is 255 then.
/// Source: trio.Process.
class process {
public:
    int pid() const noexcept;
    const os::command& command() const noexcept;

    /// How it ended, empty while it runs: its exit status, or the negative number of the signal that killed it.
    /// Checkpoint: never. Source: trio.Process.poll, trio.Process.returncode.
    std::optional<int> poll() { return returncode(); }
    std::optional<int> returncode();

    /// Waits for its end and returns the returncode. Any number of tasks may wait.
    /// Checkpoint: always. Cancellation: ends the wait; the child does not notice. Throws: cancelled; wrong_thread when tasks of another
    /// run wait; not_in_task and its kin.
    int wait();

    /// Sends a signal; nothing happens when the child has ended.
    /// Checkpoint: never. Throws: invalid_signal; io_error when the system refuses.
    void send_signal(int signal);
    /// SIGTERM. Checkpoint: never. Throws: as send_signal().
    void terminate();
    /// SIGKILL. Checkpoint: never. Throws: as send_signal().
    void kill();

    /// Our ends of the pipes that were asked for by redirect::pipe; the others are closed streams.
    fd_stream& standard_input() noexcept;
    fd_stream& standard_output() noexcept;
    fd_stream& standard_error() noexcept;
    /// Standard input and output as one stream. Lifetime: the process object's.
    stapled_stream<fd_stream&, fd_stream&> standard_streams() { return {standard_input(), standard_output()}; }

private:
    friend process open_process(const os::command&, const process_options&);
    explicit process(std::shared_ptr<kernel::child_record> record) noexcept : record_(std::move(record)) {}

    std::shared_ptr<kernel::child_record> record_;  ///< never null but in a moved-from handle
};

/// Starts a program: `os::process child = os::open_process({"sort", "-u"}, {.standard_input = os::redirect::pipe});`
/// It returns when the child runs that program, and not a copy of this one. What is asked of the system is asked in a thread.
/// The child inherits no descriptors but those that the options name.
/// Checkpoint: always. Cancellation: before the child is made; a child that has been made is returned.
/// Throws: io_error that names the program and what failed (ENOENT, EACCES, the directory, no descriptors left); usage_error and
/// invalid_descriptor for options that make no sense; cancelled; not_in_run, not_in_task and their kin.
/// Source: trio.lowlevel.open_process.
[[nodiscard]] process open_process(const command& what, const process_options& options = {});

}  // namespace tombolo::os
