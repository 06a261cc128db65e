#include "fibers/core/watched_fds.hpp"

#include "fibers/core/run_context.hpp"
#include "fibers/core/run_state.hpp"
#include "fibers/core/scheduling.hpp"

#include <tombolo/fibers/errors.hpp>
#include <tombolo/fibers/io_error.hpp>
#include <tombolo/fibers/park.hpp>

#include <cerrno>
#include <string>
#include <utility>

namespace tombolo::kernel {

namespace {

task_state* take_waiter(watched_fd& watched, io_direction direction) noexcept {
    task_state* const waiter = std::exchange(watched.of(direction).waiter, nullptr);
    if (waiter != nullptr) --watched.run->watched_fds.waiters(direction);
    return waiter;
}

std::string wait_text(const char* what, int fd) { return std::string(what) + ": descriptor " + std::to_string(fd); }

/// Invariant 1 of watched_fd.
void enlist(watched_fd& watched, run_state& run, const char* what) {
    const auto number = static_cast<std::size_t>(watched.fd);
    if (run.watched_fds.by_number.size() <= number) run.watched_fds.by_number.resize(number + 1);
    // Who waits by the number wakes for nothing, and waits again through the registration.
    const fd_waiters::entry by_number = run.fd_waiters.take_all(run.poller, watched.fd);
    for (task_state* const waiter : {by_number.reader, by_number.writer})
        if (waiter != nullptr) wake(*waiter);
    if (const int error = run.poller.watch(watched.fd, &watched)) {
        if (error == EPERM)
            throw invalid_descriptor(
                wait_text(what, watched.fd) +
                " is of a kind that cannot be waited for (a regular file or a directory); read it in a thread");
        throw io_error(error, wait_text(what, watched.fd));
    }
    run.watched_fds.by_number[number] = &watched;
    watched.run = &run;
    watched.in.exhausted = watched.out.exhausted = watched.irregular = false;
    run.watched_fds.all.push_back(watched);
}

void wake_closed(watched_fd& watched, io_direction direction) noexcept {
    task_state* const waiter = take_waiter(watched, direction);
    if (waiter == nullptr) return;
    waiter->wait->error = std::make_exception_ptr(closed_resource(
        std::string(waiter->wait->where) + ": descriptor " + std::to_string(watched.fd) +
        " was closed by another task during the wait"));
    wake(*waiter);
}

}  // namespace

void wait_for(watched_fd& watched, io_direction direction, const char* what) {
    task_state& self = require_may_park(what);
    run_state& run = *self.run;
    if (watched.run == nullptr)
        enlist(watched, run, what);
    else if (watched.run != &run)
        throw wrong_thread(
            wait_text(what, watched.fd) +
            " belongs to another run, in which it has waited before; release it there and adopt it here");
    watched_fd::side& side = watched.of(direction);
    if (side.waiter != nullptr)
        throw busy_resource(
            std::string(what) + ": task \"" + side.waiter->name() + "\" already waits for this descriptor (" +
            std::to_string(watched.fd) + ") in this direction; only one task may");
    side.waiter = &self;
    ++run.watched_fds.waiters(direction);
    const auto withdraw = [&watched, direction](const lowlevel::raise_cancel&) {
        take_waiter(watched, direction);
        return lowlevel::abort::succeeded;
    };
    lowlevel::park(withdraw, what);
}

void forget(watched_fd& watched) noexcept {
    if (watched.run == nullptr) return;
    run_state& run = *watched.run;
    // Another one's if this one was closed behind our back.
    watched_fd*& known = run.watched_fds.by_number[static_cast<std::size_t>(watched.fd)];
    const bool is_known = known == &watched;
    if (is_known) known = nullptr;
    // A forked child has the poller and the tasks in common with its parent, who still waits.
    if (!run.forked()) {
        if (is_known) run.poller.forget(watched.fd);
        wake_closed(watched, io_direction::read);
        wake_closed(watched, io_direction::write);
    }
    watched.unlink();
    watched.run = nullptr;
}

watched_fds::~watched_fds() {
    while (!all.empty()) {
        watched_fd& watched = all.front();
        watched.unlink();
        watched.run = nullptr;
    }
}

void process_watched(watched_fd& watched, bool readable, bool writable, bool irregular) noexcept {
    watched.irregular |= irregular;
    for (const io_direction direction : {io_direction::read, io_direction::write}) {
        if (!(direction == io_direction::read ? readable : writable)) continue;
        watched.of(direction).exhausted = false;
        if (task_state* const waiter = take_waiter(watched, direction)) wake(*waiter);
    }
}

void fail_watched(run_state& run, int error) noexcept {
    for (watched_fd& watched : run.watched_fds.all)
        for (const io_direction direction : {io_direction::read, io_direction::write})
            if (task_state* const waiter = take_waiter(watched, direction)) {
                waiter->wait->error =
                    std::make_exception_ptr(io_error(error, wait_text(waiter->wait->where, watched.fd)));
                wake(*waiter);
            }
}

}  // namespace tombolo::kernel
