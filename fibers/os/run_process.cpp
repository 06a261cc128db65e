#include <tombolo/fibers/os/run_process.hpp>

#include <tombolo/base/scope_exit.hpp>
#include <tombolo/fibers/cancel_scope.hpp>
#include <tombolo/fibers/errors.hpp>
#include <tombolo/fibers/nursery.hpp>
#include <tombolo/fibers/timeouts.hpp>

#include <chrono>
#include <cstdio>
#include <string_view>
#include <utility>

#include <string.h>

namespace tombolo::os {

namespace {

using namespace std::chrono_literals;

constexpr auto patience = 5s;

void require_sound(const run_process_options& options, bool handed_out) {
    const auto refuse = [](const char* why) { throw usage_error(std::string("run_process: ") + why); };
    if (options.standard_input && !options.input.empty())
        refuse("input and standard_input do not go together; the input goes through a pipe of its own");
    if (options.capture_output && (options.capture_stdout || options.capture_stderr))
        refuse("capture_output stands for capture_stdout and capture_stderr; say one or the other");
    if ((options.capture_output || options.capture_stdout) && options.standard_output != redirect::inherit)
        refuse("standard_output goes elsewhere and cannot be captured; leave one of the two out");
    if ((options.capture_output || options.capture_stderr) && options.standard_error != redirect::inherit)
        refuse("standard_error goes elsewhere and cannot be captured; with to_stdout capture standard output");
    const bool pipes = options.standard_input == redirect::pipe || options.standard_output == redirect::pipe ||
        options.standard_error == redirect::pipe;
    if (pipes && !handed_out)
        refuse("redirect::pipe needs a task_status, which hands the process with its ends of the pipes to somebody; "
               "use input and the capture options, or nursery::start");
    if (!options.deliver_cancel) refuse("deliver_cancel is empty; leave it out for SIGTERM and then SIGKILL");
}

process_options to_process_options(const run_process_options& options) {
    const redirect input = options.input.empty() ? redirect::null : redirect::pipe;
    const bool captures_output = options.capture_output || options.capture_stdout;
    const bool captures_error = options.capture_output || options.capture_stderr;
    return {
        .standard_input = options.standard_input.value_or(input),
        .standard_output = captures_output ? redirect::pipe : options.standard_output,
        .standard_error = captures_error ? redirect::pipe : options.standard_error,
        .directory = options.directory,
        .environment = options.environment,
        .new_process_group = options.new_process_group,
        .new_session = options.new_session,
        .pass_descriptors = options.pass_descriptors,
        .reset_signals = options.reset_signals};
}

void feed(fd_stream& to, const_bytes input) {
    const scope_exit close([&] { to.close(); });
    try {
        to.send_all(input);
    } catch (const broken_resource&) {
        // The child may read as little as it likes.
    }
}

void read_to_end(fd_stream& from, std::string& all) {
    const scope_exit close([&] { from.close(); });
    std::vector<char> part(64 * 1024);
    while (const std::size_t count = from.receive_some(part)) all.append(part.data(), count);
}

/// The task that deliver_cancel has to itself.
void deliver(process& child, const run_process_options& options) {
    try {
        options.deliver_cancel(child);
    } catch (const cancelled&) {
        throw;
    } catch (...) {
        // Somebody waits for the child, shielded, and nobody else will end it.
        child.kill();
        throw;
    }
}

std::string how_it_ended(int returncode) {
    if (returncode >= 0) return "exited with status " + std::to_string(returncode);
    const char* name = ::sigabbrev_np(-returncode);
    return "was killed by signal " + std::to_string(-returncode) + (name ? " (SIG" + std::string(name) + ")" : "");
}

std::string text_of(const completed_process& result) {
    std::string text = "run_process: " + result.command.to_string() + ": " + how_it_ended(result.returncode);
    std::string_view said = result.error_output;
    said = said.substr(0, said.find_last_not_of('\n') + 1);
    said = said.substr(said.rfind('\n') + 1);
    constexpr std::size_t most = 200;
    if (!said.empty()) text += ": " + std::string(said.substr(0, most));
    return text;
}

completed_process run_to_end(
    const command& what, task_status<process>& status, bool handed_out, const run_process_options& options) {
    require_sound(options, handed_out);
    completed_process result{.command = what};
    process child = open_process(what, to_process_options(options));
    cancel_scope delivery({.shield = true});
    cancel_scope shield({.shield = true});
    open_nursery([&](nursery& n) {
        try {
            if (!options.input.empty()) n.start_soon([&] { feed(child.standard_input(), options.input); });
            if (options.capture_output || options.capture_stdout)
                n.start_soon([&] { read_to_end(child.standard_output(), result.output); });
            if (options.capture_output || options.capture_stderr)
                n.start_soon([&] { read_to_end(child.standard_error(), result.error_output); });
            status.started(child);
            result.returncode = child.wait();
        } catch (...) {
            shield.run([&] {
                n.start_soon([&] { delivery.run([&] { deliver(child, options); }); });
                child.wait();
            });
            delivery.cancel("the child has ended");
            throw;
        }
    });
    if (options.check && result.returncode != 0) throw process_failed(std::move(result));
    return result;
}

}  // namespace

void terminate_then_kill(process& child) {
    child.terminate();
    sleep_for(patience);
    std::fprintf(
        stderr,
        "tombolo: process %d (%s) ignored SIGTERM for %d seconds, and gets SIGKILL; run_process takes a deliver_cancel "
        "of your own\n",
        child.pid(), child.command().to_string().c_str(), static_cast<int>(patience / 1s));
    child.kill();
}

process_failed::process_failed(completed_process result)
    : runtime_failure(text_of(result)), result_(std::make_shared<const completed_process>(std::move(result))) {}

completed_process run_process(const command& what, const run_process_options& options) {
    return run_to_end(what, ignored_task_status<process>(), false, options);
}

completed_process run_process(const command& what, task_status<process>& status, const run_process_options& options) {
    return run_to_end(what, status, true, options);
}

}  // namespace tombolo::os
