#include <tombolo/fibers/os/process.hpp>

#include "fibers/os/child_record.hpp"
#include "fibers/os/child_start.hpp"

#include <tombolo/fibers/errors.hpp>
#include <tombolo/fibers/io_error.hpp>
#include <tombolo/fibers/thread_cache.hpp>
#include <tombolo/fibers/to_thread.hpp>

#include <cerrno>
#include <csignal>
#include <mutex>
#include <string>
#include <utility>

#include <fcntl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace tombolo::kernel {

namespace {

constexpr int status_lost = 255;

/// waitid(2), which takes pidfds of another kind too.
int wait_for(idtype_t kind, int id, siginfo_t& end, int options) noexcept {
    int result = 0;
    do {
        end.si_pid = 0;
        result = ::waitid(kind, static_cast<id_t>(id), &end, options);
    } while (result != 0 && errno == EINTR);
    return result == 0 ? 0 : errno;
}

/// For a child that nobody has a handle of any more.
void collect_when_ended(unique_fd pidfd) noexcept {
    // A non-blocking pidfd does not wait.
    ::fcntl(pidfd.get(), F_SETFL, 0);
    try {
        lowlevel::start_thread_soon(
            [child = std::move(pidfd)] {
                siginfo_t end;
                wait_for(P_PIDFD, child.get(), end, WEXITED);
            },
            [](const outcome<>&) {}, "tombolo child");
    } catch (...) {  // no thread and no memory: the child's entry in the process table is the smallest of worries
    }
}

}  // namespace

child_record::~child_record() {
    if (!look()) collect_when_ended(pidfd.release());
}

std::optional<int> child_record::look() noexcept {
    if (returncode) return returncode;
    siginfo_t end;
    int error = wait_for(P_PIDFD, pidfd.get(), end, WEXITED | WNOHANG);
    // Somebody has closed the pidfd. The child is ours, so its number still is.
    if (error == EBADF || error == EINVAL) error = wait_for(P_PID, pid, end, WEXITED | WNOHANG);
    if (error != 0)
        returncode = status_lost;
    else if (end.si_pid != 0)
        returncode = end.si_code == CLD_EXITED ? end.si_status : -end.si_status;
    if (returncode) pidfd.close();
    return returncode;
}

}  // namespace tombolo::kernel

namespace tombolo::os {

namespace {

struct pipe_pair {
    unique_fd reader;
    unique_fd writer;
};

pipe_pair make_pipe() {
    int ends[2] = {-1, -1};
    if (::pipe2(ends, O_CLOEXEC) != 0) throw io_error(errno, "open_process: a pipe to the child");
    return {unique_fd(ends[0]), unique_fd(ends[1])};
}

/// What the child gets for one of its standard streams, and our end if it is a pipe.
struct standard_stream {
    unique_fd childs;
    fd_stream ours;

    standard_stream(kernel::child_start& child, int number, const redirect& to) {
        const bool reads = number == STDIN_FILENO;
        if (to == redirect::pipe) {
            pipe_pair made = make_pipe();
            childs = std::move(reads ? made.reader : made.writer);
            ours = fd_stream(std::move(reads ? made.writer : made.reader));
        } else if (to == redirect::null) {
            childs.reset(::open("/dev/null", (reads ? O_RDONLY : O_WRONLY) | O_CLOEXEC));
            if (!childs) throw io_error(errno, "open_process: /dev/null");
        }
        child.set_standard(number, to.is_descriptor() ? to.fd() : childs.get());
    }
};

}  // namespace

process open_process(const command& what, const process_options& options) {
    kernel::child_start child(what, options);
    standard_stream input(child, STDIN_FILENO, options.standard_input);
    standard_stream output(child, STDOUT_FILENO, options.standard_output);
    standard_stream error(child, STDERR_FILENO, options.standard_error);
    auto record = std::make_shared<kernel::child_record>(
        what, to_thread([&child] { return child.start(); }, {.name = "tombolo spawn"}));
    record->standard_input = std::move(input.ours);
    record->standard_output = std::move(output.ours);
    record->standard_error = std::move(error.ours);
    return process(std::move(record));
}

int process::pid() const noexcept { return record_->pid; }

const os::command& process::command() const noexcept { return record_->command; }

std::optional<int> process::returncode() { return record_->look(); }

int process::wait() {
    const std::shared_ptr<kernel::child_record> child = record_;
    const std::lock_guard turn(child->waiting);
    for (;;) {
        if (const std::optional<int> code = child->look()) return *code;
        try {
            child->pidfd.wait(kernel::io_direction::read, "process::wait");
        } catch (const closed_resource&) {
            // Another task has looked, and knows.
            if (!child->returncode) throw;
        }
    }
}

void process::send_signal(int signal) {
    if (signal < 0 || signal > SIGRTMAX)
        throw invalid_signal(
            "process::send_signal: there is no signal " + std::to_string(signal) + "; they are 1 to " +
            std::to_string(SIGRTMAX));
    if (record_->look()) return;
    if (::syscall(SYS_pidfd_send_signal, record_->pidfd.get(), signal, nullptr, 0) == 0 || errno == ESRCH) return;
    throw io_error(
        errno, "process::send_signal: signal " + std::to_string(signal) + " for " + record_->command.to_string());
}

void process::terminate() { send_signal(SIGTERM); }

void process::kill() { send_signal(SIGKILL); }

fd_stream& process::standard_input() noexcept { return record_->standard_input; }
fd_stream& process::standard_output() noexcept { return record_->standard_output; }
fd_stream& process::standard_error() noexcept { return record_->standard_error; }

}  // namespace tombolo::os
