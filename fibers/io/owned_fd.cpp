#include <tombolo/fibers/kernel/owned_fd.hpp>

#include "fibers/core/run_context.hpp"
#include "fibers/core/run_state.hpp"

#include <tombolo/fibers/errors.hpp>
#include <tombolo/fibers/wait_fd.hpp>

#include <string>

#include <fcntl.h>

namespace tombolo::kernel {

namespace {

void make_non_blocking(int fd) {
    const int flags = ::fcntl(fd, F_GETFL);
    if (flags < 0)
        throw invalid_descriptor(
            "descriptor " + std::to_string(fd) + " is not open; give an open socket, pipe or terminal");
    if ((flags & O_NONBLOCK) == 0) ::fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}

}  // namespace

void forget_watched_fd::operator()(watched_fd* watched) const noexcept { delete watched; }

owned_fd::owned_fd(unique_fd fd) : fd_(std::move(fd)) {
    if (fd_) make_non_blocking(fd_.get());
}

owned_fd& owned_fd::operator=(owned_fd&& other) noexcept {
    if (this != &other) {
        close();
        fd_ = std::move(other.fd_);
        watched_ = std::move(other.watched_);
    }
    return *this;
}

void owned_fd::wait(io_direction direction, const char* what) {
    require_may_park(what);
    require_open(what);
    if (watched_ == nullptr) {
        watched_.reset(new watched_fd);
        watched_->fd = fd_.get();
    }
    wait_for(*watched_, direction, what);
}

void owned_fd::note_exhausted(io_direction direction) noexcept {
    // Before the registration nobody would tell of an edge.
    if (watched_ != nullptr && watched_->run != nullptr && !watched_->irregular)
        watched_->of(direction).exhausted = true;
}

bool owned_fd::exhausted(io_direction direction) const noexcept {
    return watched_ != nullptr && watched_->of(direction).exhausted && watched_->run == this_thread.run;
}

bool owned_fd::awaited(io_direction direction) const noexcept {
    return watched_ != nullptr && watched_->of(direction).waiter != nullptr;
}

unique_fd owned_fd::release() noexcept {
    unique_fd out = std::move(fd_);
    if (watched_ != nullptr) forget(*watched_);
    // Who waits by number, while this had not waited itself.
    else if (out && this_thread.run != nullptr && !this_thread.run->fd_waiters.empty())
        lowlevel::notify_closing(out.get());
    watched_.reset();
    return out;
}

void owned_fd::close() noexcept {
    if (fd_) release().reset();
}

void owned_fd::refuse_closed(const char* what) {
    throw closed_resource(std::string(what) + ": it is closed; open a new one");
}

}  // namespace tombolo::kernel
