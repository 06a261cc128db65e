#include <tombolo/fibers/wait_fd.hpp>

#include "fibers/core/run_context.hpp"
#include "fibers/core/run_state.hpp"
#include "fibers/core/scheduling.hpp"

#include <tombolo/fibers/checkpoint.hpp>
#include <tombolo/fibers/errors.hpp>
#include <tombolo/fibers/park.hpp>

#include <cerrno>
#include <string>
#include <system_error>

#include <poll.h>

namespace tombolo::lowlevel {

namespace {

std::system_error arming_error(const char* what, int fd, int error) {
    std::string text = std::string(what) + ": descriptor " + std::to_string(fd);
    if (error == EPERM)
        text +=
            " is of a kind that epoll cannot wait for (a regular file or a directory is always ready: just read it, "
            "or use a thread)";
    else if (error == EBADF)
        text += " is not open";
    return std::system_error(error, std::generic_category(), text);
}

void wake_with_error(kernel::task_state* waiter, std::exception_ptr error) {
    if (waiter == nullptr) return;
    waiter->wait->error = std::move(error);
    kernel::wake(*waiter);
}

/// The descriptor of a socket or stream of ours: the poller tells of edges, and the caller wants to know the level.
void wait_for_owned(kernel::watched_fd& watched, kernel::io_direction direction, const char* what) {
    kernel::checkpoint_if_cancelled(what);
    pollfd level{watched.fd, static_cast<short>(direction == kernel::io_direction::read ? POLLIN : POLLOUT), 0};
    if (::poll(&level, 1, 0) > 0) return kernel::cancel_shielded_checkpoint(what);
    kernel::wait_for(watched, direction, what);
}

void wait_for(int fd, bool write, const char* what) {
    kernel::task_state& self = kernel::require_may_park(what);
    kernel::run_state& run = *self.run;
    if (fd < 0)
        throw invalid_descriptor(
            std::string(what) + ": descriptor " + std::to_string(fd) +
            " is negative; give an open one (has the object been closed already?)");
    if (kernel::watched_fd* const watched = run.watched_fds.find(fd))
        return wait_for_owned(*watched, write ? kernel::io_direction::write : kernel::io_direction::read, what);
    if (const kernel::task_state* other = run.fd_waiters.waiter(fd, write))
        throw busy_resource(
            std::string(what) + ": task \"" + other->name() + "\" already waits for descriptor " + std::to_string(fd) +
            " in this direction; only one task may");
    kernel::task_state* collateral = nullptr;
    if (const int error = run.fd_waiters.add(run.poller, fd, write, self, collateral)) {
        wake_with_error(collateral, std::make_exception_ptr(arming_error(what, fd, error)));
        throw arming_error(what, fd, error);
    }
    auto abort_fn = [&](const raise_cancel&) {
        int error = 0;
        kernel::task_state* stranded = run.fd_waiters.remove(run.poller, fd, write, error);
        if (stranded != nullptr) wake_with_error(stranded, std::make_exception_ptr(arming_error(what, fd, error)));
        return abort::succeeded;
    };
    lowlevel::park<void>(abort_fn, what);
}

}  // namespace

void wait_readable(int fd) { wait_for(fd, false, "wait_readable"); }

void wait_writable(int fd) { wait_for(fd, true, "wait_writable"); }

void notify_closing(int fd) {
    kernel::run_state& run = kernel::require_run("notify_closing");
    // A forked child closes its copies of descriptors; what the parent waits for is the parent's.
    if (run.forked()) return;
    if (kernel::watched_fd* const watched = run.watched_fds.find(fd)) return kernel::forget(*watched);
    const kernel::fd_waiters::entry waiters = run.fd_waiters.take_all(run.poller, fd);
    for (kernel::task_state* waiter : {waiters.reader, waiters.writer})
        if (waiter != nullptr)
            wake_with_error(
                waiter,
                std::make_exception_ptr(closed_resource(
                    "descriptor " + std::to_string(fd) + " was closed by another task during the wait")));
}

}  // namespace tombolo::lowlevel
