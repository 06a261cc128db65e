#include "fiber_socket.hpp"

#include <tombolo/tombolo.hpp>

#include <cerrno>
#include <system_error>
#include <utility>

#include <sys/socket.h>
#include <unistd.h>

namespace legacy_island {

namespace {

[[noreturn]] void fail(int error, const char* what) { throw std::system_error(error, std::generic_category(), what); }

}  // namespace

fiber_socket::~fiber_socket() { close(); }

void fiber_socket::close() {
    if (fd_ >= 0) {
        const int fd = std::exchange(fd_, -1);
        tombolo::lowlevel::notify_closing(fd);
        ::close(fd);
    }
}

void fiber_socket::connect(const address& peer) {
    tombolo::checkpoint();
    close();
    fd_ = ::socket(peer.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd_ < 0) fail(errno, "socket");

    if (::connect(fd_, peer.get(), peer.size) < 0) {
        if (errno != EINPROGRESS) fail(errno, "connect");
        tombolo::lowlevel::wait_writable(fd_);
        int error = 0;
        socklen_t size = sizeof error;
        if (getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &size) < 0) fail(errno, "getsockopt");
        if (error != 0) fail(error, "connect");
    }
}

// The checkpoint comes first even if the data is already there: a peer that sends faster than we read must not keep
// the other tasks, and this task's own deadline, from their turn.

std::size_t fiber_socket::send_some(const char* data, std::size_t size) {
    tombolo::checkpoint();
    for (;;) {
        const ssize_t sent = ::send(fd_, data, size, MSG_NOSIGNAL);
        if (sent >= 0) return static_cast<std::size_t>(sent);
        if (errno == EAGAIN) {
            tombolo::lowlevel::wait_writable(fd_);
        } else if (errno != EINTR) {
            fail(errno, "send");
        }
    }
}

std::size_t fiber_socket::receive_some(char* data, std::size_t size) {
    tombolo::checkpoint();
    for (;;) {
        const ssize_t received = ::recv(fd_, data, size, 0);
        if (received >= 0) return static_cast<std::size_t>(received);
        if (errno == EAGAIN) {
            tombolo::lowlevel::wait_readable(fd_);
        } else if (errno != EINTR) {
            fail(errno, "recv");
        }
    }
}

}  // namespace legacy_island
