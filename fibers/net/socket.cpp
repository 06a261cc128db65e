#include <tombolo/fibers/net/socket.hpp>

#include "fibers/net/native_socket.hpp"
#include "fibers/os/sigpipe_held_back.hpp"

#include <tombolo/fibers/run.hpp>
#include <tombolo/fibers/run_local.hpp>
#include <tombolo/fibers/timeouts.hpp>
#include <tombolo/fibers/to_thread.hpp>

#include <cerrno>
#include <chrono>
#include <string>

#include <poll.h>
#include <sys/sendfile.h>
#include <sys/socket.h>

namespace tombolo::net {

namespace {

using kernel::io_direction;

run_local<socket_provider*> provider_of_run(nullptr);

std::size_t counted(long result, const char* what) {
    if (result < 0) throw io_error(static_cast<int>(-result), what);
    return static_cast<std::size_t>(result);
}

/// What a backend throws for an errno value, as the system would have returned it.
template <class F>
long numbered(F call) {
    try {
        return static_cast<long>(call());
    } catch (const io_error& error) {
        return -static_cast<long>(error.number());
    }
}

}  // namespace

socket_provider* set_socket_provider(socket_provider* provider) {
    socket_provider* const before = provider_of_run.get();
    provider_of_run.set(provider);
    return before;
}

socket::socket(net::family family, socket_type type, int protocol) : family_(family), type_(type) {
    if (socket_provider* const provider = in_run() ? provider_of_run.get() : nullptr) {
        backend_ = provider->open(family, type);
        if (backend_ != nullptr) return;
    }
    fd_ = kernel::owned_fd(open_native(family, type, protocol));
    is_plain_tcp_ = is_plain_tcp(fd_.get());
}

socket::socket(unique_fd fd) {
    const native_kind kind = kind_of(fd.get());
    family_ = kind.family;
    type_ = kind.type;
    fd_ = kernel::owned_fd(std::move(fd));
    is_plain_tcp_ = is_plain_tcp(fd_.get());
}

socket::socket(std::unique_ptr<socket_backend> backend) : backend_(std::move(backend)) {
    if (backend_ == nullptr) return;
    family_ = backend_->family();
    type_ = backend_->type();
}

socket::socket(kernel::owned_fd fd, net::family family, socket_type type) noexcept
    : fd_(std::move(fd)), family_(family), type_(type) {}

socket& socket::operator=(socket&& other) noexcept {
    if (this != &other) {
        close();
        fd_ = std::move(other.fd_);
        backend_ = std::move(other.backend_);
        family_ = other.family_;
        type_ = other.type_;
        did_shut_down_send_ = other.did_shut_down_send_;
        is_plain_tcp_ = other.is_plain_tcp_;
    }
    return *this;
}

socket::~socket() { close(); }

std::pair<socket, socket> socket::pair(socket_type type) {
    int both[2];
    if (::socketpair(AF_UNIX, native_type(type) | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, both) < 0)
        throw io_error(errno, "socket::pair");
    unique_fd first(both[0]), second(both[1]);
    return {
        socket(kernel::owned_fd(std::move(first)), net::family::local, type),
        socket(kernel::owned_fd(std::move(second)), net::family::local, type)};
}

void socket::require_open(const char* what) const {
    if (!is_open()) fd_.require_open(what);
}

void socket::bind(const endpoint& to) {
    constexpr const char* what = "socket::bind";
    require_open(what);
    if (backend_) return backend_->bind(to);
    kernel::checkpoint_if_cancelled(what);
    const std::string path = to.family() == net::family::local ? to.address() : std::string();
    if (!path.empty() && path[0] != '\0') return bind_path(to);
    if (::bind(fd(), native_address(to), static_cast<socklen_t>(to.size())) < 0)
        throw io_error(errno, std::string(what) + " to " + to.to_string());
    kernel::cancel_shielded_checkpoint(what);
}

void socket::bind_path(const endpoint& to) {
    // A descriptor of its own: this one may be closed, and its number belong to somebody else, before the thread begins.
    socket own = duplicate();
    const int error = to_thread(
        [fd = own.fd(), to] {
            return ::bind(fd, native_address(to), static_cast<socklen_t>(to.size())) < 0 ? errno : 0;
        },
        {.name = "bind"});
    if (error != 0) throw io_error(error, "socket::bind to " + to.to_string());
}

void socket::listen(int backlog) {
    require_open("socket::listen");
    if (backend_) return backend_->listen(backlog);
    if (::listen(fd(), backlog) < 0) throw io_error(errno, "socket::listen");
}

accepted_socket socket::accept() {
    constexpr const char* what = "socket::accept";
    if (backend_) {
        auto [inner, from] = backend_->accept();
        return {socket(std::move(inner)), from};
    }
    endpoint_buffer from;
    const long accepted = fd_.perform(io_direction::read, what, [&] {
        *from.size() = sizeof(sockaddr_storage);
        return ::accept4(
            fd(), static_cast<sockaddr*>(from.data()), reinterpret_cast<socklen_t*>(from.size()),
            SOCK_CLOEXEC | SOCK_NONBLOCK);
    });
    unique_fd inner(static_cast<int>(counted(accepted, what)));
    accepted_socket out{socket(kernel::owned_fd(std::move(inner)), family_, type_), from.take()};
    out.socket.is_plain_tcp_ = is_plain_tcp_;
    return out;
}

void socket::connect(const endpoint& to) {
    constexpr const char* what = "socket::connect";
    require_open(what);
    try {
        if (backend_) return backend_->connect(to);
        if (const int error = try_connect(to, what)) throw io_error(error, std::string(what) + " to " + to.to_string());
    } catch (const cancelled&) {
        close();
        throw;
    }
}

/// Returns the errno value.
int socket::try_connect(const endpoint& to, const char* what) {
    kernel::checkpoint_if_cancelled(what);
    const auto attempt = [&] {
        return ::connect(fd(), native_address(to), static_cast<socklen_t>(to.size())) == 0 ? 0 : errno;
    };
    int error = attempt();
    // A path whose listener's backlog is full; the system does not tell when there is room again.
    while (error == EAGAIN && family_ == net::family::local) {
        sleep_for(std::chrono::milliseconds(1));
        fd_.require_open(what);
        error = attempt();
    }
    // An interrupted connect goes on like one that would block.
    if (error == EINPROGRESS || error == EINTR) return finish_connect(what);
    if (error == 0) kernel::cancel_shielded_checkpoint(what);
    return error;
}

/// Waits until the connection is there or has failed; returns the errno value.
int socket::finish_connect(const char* what) {
    for (;;) {
        fd_.wait(io_direction::write, what);
        fd_.require_open(what);
        // The first event of a new registration may be about the state before.
        pollfd now{fd(), POLLOUT, 0};
        if (::poll(&now, 1, 0) > 0) return option(SOL_SOCKET, SO_ERROR);
    }
}

std::size_t socket::receive(mutable_bytes buffer, int flags) {
    constexpr const char* what = "socket::receive";
    if (backend_) {
        received_from ignored;
        return backend_->receive({&buffer, 1}, ignored, flags);
    }
    if (flags == 0) return counted(receive_once(buffer, what), what);
    return counted(
        fd_.perform(io_direction::read, what, [&] { return ::recv(fd(), buffer.data(), buffer.size(), flags); }), what);
}

long socket::receive_once(mutable_bytes buffer, const char* what) {
    if (backend_) {
        received_from ignored;
        return numbered([&] { return backend_->receive({&buffer, 1}, ignored, 0); });
    }
    return fd_.perform(io_direction::read, what, [&] {
        const ssize_t count = ::recv(fd(), buffer.data(), buffer.size(), 0);
        note_short(io_direction::read, count, buffer.size());
        return count;
    });
}

/// A stream that moved less than it could have is full, or empty: the latter for TCP only, as local sockets also stop behind
/// a message that has descriptors with it.
void socket::note_short(io_direction direction, long count, std::size_t size) noexcept {
    const bool says_so = direction == io_direction::write ? type_ == socket_type::stream : is_plain_tcp_;
    if (count > 0 && static_cast<std::size_t>(count) < size && says_so) fd_.note_exhausted(direction);
}

received_from socket::receive_from(mutable_bytes buffer, int flags) { return receive_message({&buffer, 1}, {}, flags); }

received_from socket::receive_message(std::span<const mutable_bytes> buffers, mutable_bytes control, int flags) {
    constexpr const char* what = "socket::receive_message";
    received_from out;
    if (backend_) {
        out.count = backend_->receive(buffers, out, flags);
        return out;
    }
    require_buffers(buffers.size(), what);
    const io_vectors vectors(buffers);
    endpoint_buffer from;
    msghdr message{};
    const long count = fd_.perform(io_direction::read, what, [&] {
        *from.size() = sizeof(sockaddr_storage);
        message = vectors.message(from.data(), *from.size(), control);
        return ::recvmsg(fd(), &message, flags | MSG_CMSG_CLOEXEC);
    });
    out.count = counted(count, what);
    *from.size() = message.msg_namelen;
    out.from = from.take();
    out.truncated = (message.msg_flags & MSG_TRUNC) != 0;
    out.control_size = message.msg_controllen;
    out.flags = message.msg_flags;
    return out;
}

std::size_t socket::send(const_bytes bytes, int flags) {
    constexpr const char* what = "socket::send";
    if (backend_) return backend_->send({&bytes, 1}, nullptr, flags);
    if (flags == 0) return counted(send_gathered({&bytes, 1}, what), what);
    return counted(
        fd_.perform(
            io_direction::write, what, [&] { return ::send(fd(), bytes.data(), bytes.size(), flags | MSG_NOSIGNAL); }),
        what);
}

std::size_t socket::send_to(const_bytes bytes, const endpoint& to, int flags) {
    return send_message({&bytes, 1}, to, {}, flags);
}

std::size_t socket::send_message(
    std::span<const const_bytes> buffers, const endpoint& to, const_bytes control, int flags) {
    constexpr const char* what = "socket::send_message";
    if (backend_) return backend_->send(buffers, to ? &to : nullptr, flags);
    require_buffers(buffers.size(), what);
    const io_vectors vectors(buffers);
    const msghdr message = vectors.message(to.data(), static_cast<std::uint32_t>(to.size()), control);
    const long count =
        fd_.perform(io_direction::write, what, [&] { return ::sendmsg(fd(), &message, flags | MSG_NOSIGNAL); });
    if (count < 0) throw io_error(static_cast<int>(-count), what + (to ? " to " + to.to_string() : std::string()));
    return static_cast<std::size_t>(count);
}

long socket::send_gathered(std::span<const const_bytes> buffers, const char* what) {
    if (backend_) return numbered([&] { return backend_->send(buffers, nullptr, 0); });
    std::size_t size = 0;
    for (const const_bytes& each : buffers) size += each.size();
    if (buffers.size() == 1)
        return fd_.perform(io_direction::write, what, [&] {
            const ssize_t count = ::send(fd(), buffers[0].data(), size, MSG_NOSIGNAL);
            note_short(io_direction::write, count, size);
            return count;
        });
    const io_vectors vectors(buffers);
    const msghdr message = vectors.message(nullptr, 0, const_bytes());
    return fd_.perform(io_direction::write, what, [&] {
        const ssize_t count = ::sendmsg(fd(), &message, MSG_NOSIGNAL);
        if (buffers.size() <= io_vectors::most) note_short(io_direction::write, count, size);
        return count;
    });
}

/// A datagram of which a part is left out is another datagram.
void socket::require_buffers(std::size_t count, const char* what) const {
    if (type_ != socket_type::stream && count > io_vectors::most)
        throw invalid_count(
            std::string(what) + ": " + std::to_string(count) + " buffers; a message has at most " +
            std::to_string(io_vectors::most) + ", put some together");
}

std::size_t socket::send_file(int file, std::uint64_t offset, std::size_t count) {
    constexpr const char* what = "socket::send_file";
    if (backend_)
        throw invalid_descriptor(std::string(what) + ": this socket is none of the system's; send the bytes instead");
    auto at = static_cast<off_t>(offset);
    const auto attempt = [&] {
        const kernel::sigpipe_held_back held;
        return held.after(::sendfile(fd(), file, &at, count));
    };
    return counted(fd_.perform(io_direction::write, what, attempt), what);
}

std::optional<std::size_t> socket::try_receive(mutable_bytes buffer, int flags) {
    require_open("socket::try_receive");
    if (backend_) return backend_->try_receive(buffer, flags);
    return tried(
        "socket::try_receive", [&] { return ::recv(fd(), buffer.data(), buffer.size(), flags | MSG_DONTWAIT); });
}

std::optional<std::size_t> socket::try_send(const_bytes bytes, int flags) {
    require_open("socket::try_send");
    if (backend_) return backend_->try_send(bytes, flags);
    return tried("socket::try_send", [&] {
        return ::send(fd(), bytes.data(), bytes.size(), flags | MSG_DONTWAIT | MSG_NOSIGNAL);
    });
}

void socket::shutdown(shutdown_side side) {
    require_open("socket::shutdown");
    if (backend_) {
        backend_->shutdown(side);
    } else {
        const int how = side == shutdown_side::receive ? SHUT_RD : side == shutdown_side::send ? SHUT_WR : SHUT_RDWR;
        if (::shutdown(fd(), how) < 0) throw io_error(errno, "socket::shutdown");
    }
    did_shut_down_send_ |= side != shutdown_side::receive;
}

bool socket::is_readable() {
    require_open("socket::is_readable");
    if (backend_) return backend_->is_readable();
    pollfd now{fd(), POLLIN, 0};
    return ::poll(&now, 1, 0) > 0;
}

void socket::close() noexcept {
    fd_.close();
    if (backend_) std::exchange(backend_, nullptr)->close();
}

}  // namespace tombolo::net
