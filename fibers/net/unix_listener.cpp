#include <tombolo/fibers/net/unix_listener.hpp>

#include "fibers/net/listening.hpp"

#include <tombolo/base/unique_fd.hpp>
#include <tombolo/fibers/to_thread.hpp>

#include <cerrno>
#include <cstdint>
#include <string>
#include <utility>

#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

namespace tombolo::net {

namespace {

/// Removes a socket that nobody listens at. Whatever else is there is left for bind() to complain about.
void remove_if_dead(const endpoint& at) {
    struct stat file{};
    if (::lstat(at.address().c_str(), &file) != 0 || !S_ISSOCK(file.st_mode)) return;
    const unique_fd probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!probe) return;
    const auto size = static_cast<socklen_t>(at.size());
    if (::connect(probe.get(), static_cast<const sockaddr*>(at.data()), size) != 0 && errno == ECONNREFUSED)
        ::unlink(at.address().c_str());
}

}  // namespace

unix_listener::unix_listener(net::socket listening) : socket_(std::move(listening)) {
    require_listening(socket_, "unix_listener");
}

unix_listener& unix_listener::operator=(unix_listener&& other) noexcept {
    if (this != &other) {
        close();
        socket_ = std::move(other.socket_);
        file_ = std::exchange(other.file_, {});
    }
    return *this;
}

unix_stream unix_listener::accept() { return accept_stream<unix_stream>(socket_); }

void unix_listener::aclose() {
    close();
    checkpoint();
}

void unix_listener::close() noexcept {
    socket_.close();
    const bound_file mine = std::exchange(file_, {});
    struct stat file{};
    // A forked child has a copy of a listener that is still its parent's.
    if (mine.path.empty() || mine.owner != ::getpid() || ::lstat(mine.path.c_str(), &file) != 0) return;
    if (file.st_dev == mine.device && file.st_ino == mine.inode) ::unlink(mine.path.c_str());
}

unix_listener open_unix_listener(std::string_view path, const unix_listener_options& options) {
    const endpoint at = endpoint::local(path);
    const bool is_file = path.front() != '\0';
    socket opened(family::local, socket_type::stream);
    unix_listener listener;
    if (is_file && opened.fd() >= 0) to_thread([at] { remove_if_dead(at); });
    opened.bind(at);
    struct stat file{};
    if (is_file && opened.fd() >= 0 && ::lstat(at.address().c_str(), &file) == 0)
        listener.file_ = {at.address(), file.st_dev, file.st_ino, ::getpid()};
    opened.listen(options.backlog);
    listener.socket_ = std::move(opened);
    return listener;
}

}  // namespace tombolo::net
