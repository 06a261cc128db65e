#include "blocking_socket.hpp"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace legacy_island {

namespace {

[[noreturn]] void fail(int error, const char* what) { throw std::system_error(error, std::generic_category(), what); }

void set_nonblocking(int fd, bool on) {
    const int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK) < 0) {
        fail(errno, "fcntl");
    }
}

}  // namespace

blocking_socket::~blocking_socket() { close(); }

void blocking_socket::close() {
    if (fd_ >= 0) {
        ::close(std::exchange(fd_, -1));
    }
}

void blocking_socket::connect(const address& peer) {
    close();
    fd_ = ::socket(peer.family(), SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd_ < 0) fail(errno, "socket");

    // A connect that blocks cannot be given a deadline, so it alone is started without blocking.
    set_nonblocking(fd_, true);
    if (::connect(fd_, peer.get(), peer.size) < 0) {
        if (errno != EINPROGRESS) fail(errno, "connect");
        wait_for(POLLOUT);
        int error = 0;
        socklen_t size = sizeof error;
        if (getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &size) < 0) fail(errno, "getsockopt");
        if (error != 0) fail(error, "connect");
    }
    set_nonblocking(fd_, false);
}

std::size_t blocking_socket::send_some(const char* data, std::size_t size) {
    for (;;) {
        wait_for(POLLOUT);
        const ssize_t sent = ::send(fd_, data, size, MSG_NOSIGNAL);
        if (sent >= 0) return static_cast<std::size_t>(sent);
        if (errno != EINTR) fail(errno, "send");
    }
}

std::size_t blocking_socket::receive_some(char* data, std::size_t size) {
    for (;;) {
        wait_for(POLLIN);
        const ssize_t received = ::recv(fd_, data, size, 0);
        if (received >= 0) return static_cast<std::size_t>(received);
        if (errno != EINTR) fail(errno, "recv");
    }
}

void blocking_socket::wait_for(short events) const {
    for (;;) {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline_ - std::chrono::steady_clock::now());
        if (left.count() <= 0) fail(ETIMEDOUT, "poll");
        pollfd entry{fd_, events, 0};
        const int ready = ::poll(&entry, 1, static_cast<int>(std::min<long long>(left.count(), INT_MAX)));
        if (ready > 0) return;
        if (ready < 0 && errno != EINTR) fail(errno, "poll");
    }
}

}  // namespace legacy_island
