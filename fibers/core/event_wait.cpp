#include "fibers/core/event_wait.hpp"

#include "fibers/core/delivery.hpp"
#include "fibers/core/scheduling.hpp"

#include <algorithm>
#include <chrono>
#include <ctime>
#include <system_error>
#include <thread>

#include <poll.h>

namespace tombolo::kernel {

namespace {

using namespace std::chrono_literals;

void wake_with_errno(task_state* task, int fd, int error) {
    if (task == nullptr) return;
    task->wait->error = std::make_exception_ptr(std::system_error(
        error, std::generic_category(),
        "waiting for descriptor " + std::to_string(fd) + " (was it closed without notify_closing?)"));
    wake(*task);
}

void process(run_state& run, const poll_event& event) {
    const fd_waiters::due due = run.fd_waiters.take_due(run.poller, event);
    for (task_state* ready : {due.ready.reader, due.ready.writer})
        if (ready != nullptr) wake(*ready);
    wake_with_errno(due.failed.reader, event.fd, due.error);
    wake_with_errno(due.failed.writer, event.fd, due.error);
}

bool poll_once(run_state& run, duration timeout) {
    poll_event events[poller::batch];
    const int n = run.poller.wait(timeout, events);
    for (int i = 0; i < n; ++i) {
        if (events[i].watched != nullptr)
            process_watched(*events[i].watched, events[i].readable, events[i].writable, events[i].irregular);
        else if (run.watches_wake_up && events[i].fd == run.entries->wake_up.descriptor())
            run.entries->wake_up.drain();
        else
            process(run, events[i]);
    }
    return n > 0;
}

/// Looks for work without sleeping, for the time that the user is ready to pay.
bool spin(run_state& run, duration longest) {
    const auto end = std::chrono::steady_clock::now() + longest;
    do {
        if (run.entries->wake_up.raised()) return true;
        if (run.awaits_descriptors() && poll_once(run, 0ns)) return true;
    } while (std::chrono::steady_clock::now() < end);
    return false;
}

/// Stacks that stayed free for a second give their pages back. Not at every sleep: a server that waits for its next
/// request would pay page faults for each.
void trim_now_and_then(run_state& run) noexcept {
    std::timespec coarse{};
    ::clock_gettime(CLOCK_MONOTONIC_COARSE, &coarse);
    if (coarse.tv_sec - run.last_trim < 2) return;
    if (run.last_trim != 0) run.stacks->trim_idle();
    run.last_trim = coarse.tv_sec;
}

/// False when the process has no descriptor left for it.
bool watch_wake_up(run_state& run) {
    try {
        watch_for_posts(run);
        return true;
    } catch (const std::system_error& error) {
        if (error.code() == std::errc::too_many_files_open || error.code() == std::errc::too_many_files_open_in_system)
            return false;
        throw;
    }
}

/// The program has used up its descriptors before this run first slept: other threads cannot wake it, so it naps and
/// looks. Its own tasks go on, and the next sleep tries again.
bool sleep_unwakeably(run_state& run, duration timeout) {
    const duration nap = std::min<duration>(timeout, 2ms);
    if (run.poller.is_open()) return poll_once(run, nap);
    std::this_thread::sleep_for(nap);
    return run.entries->wake_up.raised();
}

bool sleep(run_state& run, duration timeout) {
    if (run.spin_before_sleep > 0ns) {
        const duration spinning = std::min(run.spin_before_sleep, timeout);
        if (spin(run, spinning)) return true;
        timeout = timeout == duration::max() ? timeout : timeout - spinning;
    }
    trim_now_and_then(run);
    if (!run.watches_wake_up && !watch_wake_up(run)) return sleep_unwakeably(run, timeout);
    if (!run.entries->wake_up.announce_sleep()) return true;
    const bool events = poll_once(run, timeout);
    run.entries->wake_up.end_sleep();
    return events;
}

/// epoll is gone (somebody closed its descriptor, most likely): the waits fail, and what remains of the run is woken by
/// other threads only.
void give_up_polling(run_state& run) noexcept {
    run.poller_failed = true;
    run.entries->wake_up.end_sleep();
    run.fd_waiters.take_everybody([](int fd, task_state& waiter) { wake_with_errno(&waiter, fd, EBADF); });
    fail_watched(run, EBADF);
    crash(run, "waiting for events failed", std::current_exception());
}

}  // namespace

void watch_for_posts(run_state& run) {
    run.poller.watch_wake_up(run.entries->wake_up.descriptor());
    run.watches_wake_up = true;
}

bool begin_remote_wait(run_state& run) noexcept {
    trim_now_and_then(run);
    return run.entries->wake_up.announce_sleep();
}

bool end_remote_wait(run_state& run) noexcept {
    run.entries->wake_up.end_sleep();
    if (run.poller_failed) return run.entries->wake_up.raised();
    try {
        return poll_once(run, 0ns);
    } catch (...) {
        give_up_polling(run);
        return true;
    }
}

bool wait_for_events(run_state& run, duration timeout) noexcept {
    if (run.poller_failed) {
        if (timeout > 0ns) ::poll(nullptr, 0, 1);
        return false;
    }
    try {
        if (timeout > 0ns) return sleep(run, timeout);
        return run.awaits_descriptors() && poll_once(run, 0ns);
    } catch (...) {
        give_up_polling(run);
        return true;
    }
}

}  // namespace tombolo::kernel
