#include "fibers/net/native_socket.hpp"

#include <tombolo/fibers/net/socket.hpp>

#include <cerrno>
#include <string>

#include <fcntl.h>
#include <poll.h>

// What a net::socket tells and is told without moving bytes.

namespace tombolo::net {

namespace {

using name_call = int (*)(int, sockaddr*, socklen_t*);

endpoint name_of(int fd, name_call call, const char* what) {
    endpoint_buffer name;
    if (call(fd, static_cast<sockaddr*>(name.data()), reinterpret_cast<socklen_t*>(name.size())) < 0)
        throw io_error(errno, what);
    return name.take();
}

/// The poller tells of edges, and the caller wants to know the level. Not by lowlevel::wait_readable, which knows nothing of
/// close() while the descriptor is not registered.
void wait_for_level(kernel::owned_fd& of, kernel::io_direction direction, const char* what) {
    kernel::checkpoint_if_cancelled(what);
    of.require_open(what);
    pollfd level{of.get(), static_cast<short>(direction == kernel::io_direction::read ? POLLIN : POLLOUT), 0};
    if (::poll(&level, 1, 0) > 0) return kernel::cancel_shielded_checkpoint(what);
    of.wait(direction, what);
}

[[noreturn]] void refuse_option(int error, const char* what, int level, int name) {
    throw io_error(error, std::string(what) + " " + std::to_string(name) + " of level " + std::to_string(level));
}

}  // namespace

endpoint socket::local_endpoint() const {
    require_open("socket::local_endpoint");
    return backend_ ? backend_->local_endpoint() : name_of(fd(), ::getsockname, "socket::local_endpoint");
}

endpoint socket::remote_endpoint() const {
    require_open("socket::remote_endpoint");
    return backend_ ? backend_->remote_endpoint() : name_of(fd(), ::getpeername, "socket::remote_endpoint");
}

void socket::set_option(int level, int name, int value) {
    require_open("socket::set_option");
    if (backend_) return backend_->set_option(level, name, value);
    set_option(level, name, const_bytes(&value, sizeof value));
}

void socket::set_option(int level, int name, const_bytes value) {
    constexpr const char* what = "socket::set_option";
    require_open(what);
    if (backend_) refuse_option(ENOPROTOOPT, what, level, name);
    if (::setsockopt(fd(), level, name, value.data(), static_cast<socklen_t>(value.size())) < 0)
        refuse_option(errno, what, level, name);
}

int socket::option(int level, int name) const {
    require_open("socket::option");
    if (backend_) return backend_->option(level, name);
    int value = 0;
    option(level, name, mutable_bytes(&value, sizeof value));
    return value;
}

std::size_t socket::option(int level, int name, mutable_bytes value) const {
    constexpr const char* what = "socket::option";
    require_open(what);
    if (backend_) refuse_option(ENOPROTOOPT, what, level, name);
    auto size = static_cast<socklen_t>(value.size());
    if (::getsockopt(fd(), level, name, value.data(), &size) < 0) refuse_option(errno, what, level, name);
    return size;
}

socket socket::duplicate() const {
    require_open("socket::duplicate");
    if (backend_) throw invalid_descriptor("socket::duplicate: this socket is none of the system's; open a second one");
    unique_fd copy(::fcntl(fd(), F_DUPFD_CLOEXEC, 0));
    if (!copy) throw io_error(errno, "socket::duplicate");
    return {kernel::owned_fd(std::move(copy)), family_, type_};
}

unique_fd socket::release() {
    require_open("socket::release");
    if (backend_)
        throw invalid_descriptor("socket::release: this socket is none of the system's and has no descriptor");
    return fd_.release();
}

void socket::wait_readable() {
    constexpr const char* what = "socket::wait_readable";
    require_open(what);
    if (backend_) return backend_->wait_readable();
    wait_for_level(fd_, kernel::io_direction::read, what);
}

void socket::wait_writable() {
    constexpr const char* what = "socket::wait_writable";
    require_open(what);
    if (backend_) return backend_->wait_writable();
    wait_for_level(fd_, kernel::io_direction::write, what);
}

}  // namespace tombolo::net
