#include <tombolo/fibers/os/fd_stream.hpp>

#include "fibers/os/write_without_signal.hpp"

#include <tombolo/base/scope_exit.hpp>
#include <tombolo/fibers/checkpoint.hpp>
#include <tombolo/fibers/errors.hpp>

#include <array>
#include <cerrno>
#include <string>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

namespace tombolo::os {

namespace {

using kernel::io_direction;

[[noreturn]] void refuse(int fd, const char* why) {
    throw invalid_descriptor("fd_stream: descriptor " + std::to_string(fd) + " " + why);
}

/// Asks epoll itself about the kinds of which some can be waited for and some cannot.
bool can_be_waited_for(int fd) {
    const unique_fd epoll(::epoll_create1(EPOLL_CLOEXEC));
    if (!epoll) throw io_error(errno, "fd_stream: epoll_create1");
    epoll_event nothing{};
    return ::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, fd, &nothing) == 0 || errno != EPERM;
}

unique_fd require_waitable(unique_fd fd) {
    struct stat status{};
    if (::fstat(fd.get(), &status) != 0) refuse(fd.get(), "is not open");
    if (S_ISREG(status.st_mode)) refuse(fd.get(), "is a regular file, which is always ready; use os::file");
    if (S_ISFIFO(status.st_mode) || S_ISSOCK(status.st_mode)) return fd;
    if (!can_be_waited_for(fd.get()))
        refuse(
            fd.get(),
            "is of a kind that epoll cannot wait for (a directory, a block device, /dev/null); read or write it in a "
            "thread: to_thread");
    return fd;
}

/// Lets one task at a time into one direction.
[[nodiscard]] auto enter(bool& busy, const char* what) {
    if (std::exchange(busy, true))
        throw busy_resource(
            std::string(what) +
            ": another task is in this direction of the stream; let one task do it, or guard it with a mutex");
    return scope_exit([&busy] { busy = false; });
}

std::size_t counted(long result, const char* what) {
    if (result < 0) kernel::throw_stream_error(static_cast<int>(-result), what);
    return static_cast<std::size_t>(result);
}

}  // namespace

fd_stream::fd_stream(unique_fd fd) : fd_(require_waitable(std::move(fd))) {}

std::size_t fd_stream::send_part(std::span<const const_bytes> buffers, std::size_t skip) {
    std::array<iovec, 16> parts;
    std::size_t count = 0;
    for (const const_bytes& each : buffers) {
        const const_bytes rest = each.from(skip);
        skip = 0;
        if (rest.empty()) continue;
        parts[count++] = {const_cast<std::byte*>(rest.data()), rest.size()};
        if (count == parts.size()) break;
    }
    return counted(
        fd_.perform(
            io_direction::write, "fd_stream::send_all",
            [&] { return kernel::write_without_signal(fd_.get(), std::span(parts).first(count), quiet_write_); }),
        "fd_stream::send_all");
}

std::size_t fd_stream::send_some_of(std::span<const const_bytes> buffers) {
    const auto sending = enter(sending_, "fd_stream::write_some");
    return send_part(buffers, 0);
}

void fd_stream::send_all(const_bytes bytes) { send_all(std::span(&bytes, 1)); }

void fd_stream::send_all(std::span<const const_bytes> buffers) {
    const auto sending = enter(sending_, "fd_stream::send_all");
    std::size_t left = 0;
    for (const const_bytes& each : buffers) left += each.size();
    if (left == 0) {
        fd_.require_open("fd_stream::send_all");
        return checkpoint();
    }
    std::size_t skip = 0;
    while (left != 0) {
        std::size_t sent = send_part(buffers, skip);
        left -= sent;
        for (; !buffers.empty() && skip + sent >= buffers.front().size(); buffers = buffers.subspan(1)) {
            sent -= buffers.front().size() - skip;
            skip = 0;
        }
        skip += sent;
    }
}

void fd_stream::wait_send_all_might_not_block() {
    const auto sending = enter(sending_, "fd_stream::wait_send_all_might_not_block");
    counted(
        fd_.perform(
            io_direction::write, "fd_stream::wait_send_all_might_not_block",
            [&] {
                pollfd room{fd_.get(), POLLOUT, 0};
                const int ready = ::poll(&room, 1, 0);
                if (ready != 0) return ready;
                errno = EAGAIN;
                return -1;
            }),
        "fd_stream::wait_send_all_might_not_block");
}

std::size_t fd_stream::receive_some(mutable_bytes buffer) {
    if (buffer.empty())
        throw invalid_count("fd_stream::receive_some: the buffer is empty; give room for one byte at least");
    const auto receiving = enter(receiving_, "fd_stream::receive_some");
    return counted(
        fd_.perform(
            io_direction::read, "fd_stream::receive_some",
            [&] { return ::read(fd_.get(), buffer.data(), buffer.size()); }),
        "fd_stream::receive_some");
}

void fd_stream::aclose() {
    close();
    checkpoint();
}

unique_fd fd_stream::release() {
    fd_.require_open("fd_stream::release");
    return fd_.release();
}

pipe_ends open_pipe() {
    int ends[2] = {-1, -1};
    if (::pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) throw io_error(errno, "open_pipe");
    unique_fd reader(ends[0]);
    unique_fd writer(ends[1]);
    return {fd_stream(std::move(reader)), fd_stream(std::move(writer))};
}

}  // namespace tombolo::os
