#include <tombolo/fibers/task_host.hpp>

#include <tombolo/base/scope_exit.hpp>
#include <tombolo/fibers/cancel_scope.hpp>
#include <tombolo/fibers/checkpoint.hpp>
#include <tombolo/fibers/errors.hpp>
#include <tombolo/fibers/wait_fd.hpp>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <ctime>
#include <exception>
#include <system_error>
#include <utility>

#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

namespace tombolo::lowlevel {

namespace {

using namespace std::chrono_literals;

unique_fd checked(int fd) {
    if (fd < 0) throw std::system_error(errno, std::generic_category(), "task_host: a descriptor, to wait for a guest");
    return unique_fd(fd);
}

void watch(const unique_fd& epoll, int fd) {
    epoll_event event{};
    event.events = EPOLLIN;
    if (::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, fd, &event) < 0)
        throw std::system_error(errno, std::generic_category(), "task_host: epoll_ctl, to wait for a guest");
}

}  // namespace

void task_host::open(int descriptor, unique_function<void()> wake) {
    if (!in_task())
        throw not_in_task("task_host: no task is current; start the guest in the task that is going to serve it, or in "
                          "another of its run");
    if (wake_) throw busy_resource("task_host: it has a guest already; make a task_host for each guest");
    unique_fd events = checked(::epoll_create1(EPOLL_CLOEXEC));
    unique_fd timer = checked(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
    watch(events, descriptor);
    watch(events, timer.get());
    events_ = std::move(events);
    timer_ = std::move(timer);
    wake_ = std::move(wake);
}

void task_host::wake_soon() {
    soon_ = true;
    if (waiting_) wake_after(duration::zero());
}

void task_host::wake_after(duration timeout) {
    itimerspec spec{};
    if (timeout != duration::max()) {
        const duration limited = std::max<duration>(timeout, 1ns);
        spec.it_value = {static_cast<std::time_t>(limited / 1s), static_cast<long>((limited % 1s).count())};
    }
    ::timerfd_settime(timer_.get(), 0, &spec, nullptr);
}

void task_host::close() noexcept {
    // Drained by another task, the guest ends while its server waits.
    if (in_run()) notify_closing(events_.get());
    events_.reset();
    timer_.reset();
    soon_ = false;
    wake_ = nullptr;
}

void task_host::wait() {
    const scope_exit no_longer([this] { waiting_ = false; });
    waiting_ = true;
    try {
        wait_readable(events_.get());
    } catch (const closed_resource&) {
        return;
    }
    std::uint64_t expirations = 0;
    [[maybe_unused]] const auto got = ::read(timer_.get(), &expirations, sizeof expirations);
}

void task_host::turn() {
    if (soon_)
        checkpoint();
    else
        wait();
    soon_ = false;
    if (wake_) wake_();
}

void task_host::serve(guest_run guest) {
    if (served_) throw busy_resource("task_host::serve: another task serves this host's guest");
    if (!wake_ && !guest.ended())
        throw usage_error(
            "task_host::serve: the guest belongs to another host; serve it with the one it was started with");
    const scope_exit no_longer([this] { served_ = false; });
    served_ = true;
    const auto serve_to_the_end = [&] {
        while (!guest.ended()) turn();
    };
    std::exception_ptr interruption;
    try {
        serve_to_the_end();
        checkpoint();
        return;
    } catch (...) {
        interruption = std::current_exception();
    }
    guest.cancel("the task that hosts this guest was cancelled");
    soon_ = true;
    try {
        cancel_scope shield{{.shield = true}};
        static_cast<void>(shield.run(serve_to_the_end));
    } catch (...) {
        // Interrupted for the second time.
        interruption = std::current_exception();
        if (!guest.ended()) guest.drain();
    }
    std::rethrow_exception(interruption);
}

}  // namespace tombolo::lowlevel
