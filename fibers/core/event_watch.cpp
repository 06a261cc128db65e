#include "fibers/core/event_watch.hpp"

#include "fibers/core/guest.hpp"

#include <tombolo/base/outcome.hpp>
#include <tombolo/fibers/exception_group.hpp>
#include <tombolo/fibers/thread_cache.hpp>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <ctime>
#include <exception>
#include <system_error>
#include <thread>
#include <utility>

#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

namespace tombolo::kernel {

namespace {

using namespace std::chrono_literals;

/// How often the guest looks itself when its descriptor cannot be watched, because somebody has closed it.
constexpr duration blind_wait = 1ms;

unique_fd checked(int fd, const char* what) {
    if (fd < 0) throw std::system_error(errno, std::generic_category(), what);
    return unique_fd(fd);
}

epoll_event event_of(int fd, unsigned events) noexcept {
    epoll_event event{};
    event.events = events;
    event.data.fd = fd;
    return event;
}

}  // namespace

event_watch::event_watch(int descriptor, lowlevel::posting_host& host)
    : descriptor_(descriptor),
      host_(host),
      epoll_(checked(::epoll_create1(EPOLL_CLOEXEC), "tombolo: epoll_create1, for the thread that waits for a guest")),
      timer_(checked(
          ::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK),
          "tombolo: timerfd_create, for the thread that waits for a guest")) {
    epoll_event on_descriptor = event_of(descriptor_, EPOLLONESHOT);
    epoll_event on_timer = event_of(timer_.get(), EPOLLIN);
    if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, descriptor_, &on_descriptor) < 0 ||
        ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, timer_.get(), &on_timer) < 0)
        throw std::system_error(
            errno, std::generic_category(), "tombolo: epoll_ctl, for the thread that waits for a guest");
}

void event_watch::start_thread() {
    lowlevel::start_thread_soon([self = shared_from_this()] { self->serve(); }, [](outcome<void>) {}, "tombolo guest");
}

void event_watch::arm(std::shared_ptr<guest> owner, duration timeout) noexcept {
    owner_ = std::move(owner);
    // From here on the thread may post at any time, too early as well: what follows can only wake it.
    armed_.store(true, std::memory_order_seq_cst);
    epoll_event event = event_of(descriptor_, EPOLLIN | EPOLLONESHOT);
    if (::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, descriptor_, &event) < 0) timeout = std::min(timeout, blind_wait);
    set_timer(timeout);
}

void event_watch::set_timer(duration timeout) noexcept {
    const bool finite = timeout != duration::max();
    if (!finite && !timer_is_set_) return;
    timer_is_set_ = finite;
    itimerspec spec{};
    if (finite) {
        const duration limited = std::clamp<duration>(timeout, 1ns, 24h);
        spec.it_value = {static_cast<std::time_t>(limited / 1s), static_cast<long>((limited % 1s).count())};
    }
    ::timerfd_settime(timer_.get(), 0, &spec, nullptr);
}

std::shared_ptr<guest> event_watch::take_back() noexcept {
    return armed_.exchange(false, std::memory_order_seq_cst) ? std::move(owner_) : nullptr;
}

void event_watch::disarm() noexcept {
    take_back();
    posting_.wait(true, std::memory_order_seq_cst);
}

void event_watch::stop() noexcept {
    stopping_.store(true, std::memory_order_seq_cst);
    set_timer(1ns);
}

void event_watch::post() noexcept {
    try {
        host_.run_soon_threadsafe([call = tick_call(std::move(owner_))]() mutable { call.call_once(); });
    } catch (...) {
        // That the tick is lost has been said by its destructor.
        std::fprintf(
            stderr, "tombolo: a posting_host's run_soon_threadsafe threw: %s\n",
            describe(std::current_exception()).c_str());
    }
}

/// Something has happened, or might have.
void event_watch::wait() noexcept {
    epoll_event event{};
    const int n = ::epoll_wait(epoll_.get(), &event, 1, -1);
    if (n > 0 && event.data.fd == timer_.get()) {
        std::uint64_t expirations = 0;
        [[maybe_unused]] const auto got = ::read(timer_.get(), &expirations, sizeof expirations);
    }
    // Somebody has closed our epoll: looking now and then is what remains.
    if (n < 0 && errno != EINTR) std::this_thread::sleep_for(blind_wait);
}

void event_watch::serve() noexcept {
    while (!stopping_.load(std::memory_order_seq_cst)) {
        wait();
        posting_.store(true, std::memory_order_seq_cst);
        if (armed_.exchange(false, std::memory_order_seq_cst)) post();
        posting_.store(false, std::memory_order_seq_cst);
        posting_.notify_all();
    }
}

}  // namespace tombolo::kernel
