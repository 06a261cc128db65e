#include "mainland_server.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <optional>
#include <system_error>
#include <utility>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

namespace legacy_island {

namespace http = boost::beast::http;

namespace {

constexpr const char* not_found = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

int checked(int result, const char* what) {
    if (result < 0) throw std::system_error(errno, std::generic_category(), what);
    return result;
}

}  // namespace

mainland_server::descriptor::~descriptor() {
    if (fd_ >= 0) ::close(fd_);
}

mainland_server::mainland_server(std::vector<planned_reply> plan)
    : plan_(std::move(plan)),
      poller_(checked(epoll_create1(EPOLL_CLOEXEC), "epoll_create1")),
      listener_(checked(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), "socket")),
      stop_(checked(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), "eventfd")) {
    sockaddr_in local{};
    local.sin_family = AF_INET;
    local.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    auto* generic = reinterpret_cast<sockaddr*>(&local);
    socklen_t size = sizeof local;
    checked(bind(listener_.get(), generic, size), "bind");
    checked(listen(listener_.get(), SOMAXCONN), "listen");
    checked(getsockname(listener_.get(), generic, &size), "getsockname");
    port_ = ntohs(local.sin_port);
    watch(EPOLL_CTL_ADD, listener_.get(), listener_id, EPOLLIN);
    watch(EPOLL_CTL_ADD, stop_.get(), stop_id, EPOLLIN);
    for (std::size_t i = 0; i < plan_.size(); ++i) index_of_.emplace(path_of(i), i);
    thread_ = std::thread([this] { serve(); });
}

mainland_server::~mainland_server() {
    const std::uint64_t one = 1;
    while (::write(stop_.get(), &one, sizeof one) < 0 && errno == EINTR) {}
    thread_.join();
}

std::string mainland_server::path_of(std::size_t index) const {
    const int digits = static_cast<int>(std::max<std::size_t>(2, std::to_string(plan_.size()).size()));
    char text[32];
    std::snprintf(text, sizeof text, "/shore/%0*zu", digits, index + 1);
    return text;
}

std::vector<std::string> mainland_server::resources() const {
    std::vector<std::string> all;
    for (std::size_t i = 0; i < plan_.size(); ++i) all.push_back("127.0.0.1:" + std::to_string(port_) + path_of(i));
    return all;
}

void mainland_server::serve() {
    std::array<epoll_event, 64> events;
    for (;;) {
        const int count =
            epoll_wait(poller_.get(), events.data(), static_cast<int>(events.size()), milliseconds_until_due());
        for (int i = 0; i < count; ++i) {
            const id which = events[static_cast<std::size_t>(i)].data.u64;
            if (which == stop_id) return;
            which == listener_id ? accept_one() : on_event(which);
        }
        send_what_is_due();
    }
}

void mainland_server::accept_one() {
    const int fd = accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
        const id which = next_id_++;
        connections_.try_emplace(which, fd);
        watch(EPOLL_CTL_ADD, fd, which, EPOLLIN);
    } else if (errno == EMFILE || errno == ENFILE) {
        watch(EPOLL_CTL_MOD, listener_.get(), listener_id, 0);
        listening_ = false;
    }
}

void mainland_server::listen_again() {
    if (!listening_) {
        watch(EPOLL_CTL_MOD, listener_.get(), listener_id, EPOLLIN);
        listening_ = true;
    }
}

void mainland_server::on_event(id which) {
    const auto found = connections_.find(which);
    if (found == connections_.end()) return;
    connection& peer = found->second;
    const bool keep = !peer.request.is_done() ? read_request(which, peer)
        : !peer.reply.empty()                 ? write_reply(which, peer)
                                              : false;  // hung up while it waited for its reply
    if (!keep) {
        connections_.erase(found);
        listen_again();
    }
}

bool mainland_server::read_request(id which, connection& peer) {
    const auto space = peer.received.prepare(4096);
    const ssize_t count = ::recv(peer.socket.get(), space.data(), space.size(), 0);
    if (count < 0) return errno == EAGAIN || errno == EINTR;
    if (count == 0) return false;
    peer.received.commit(static_cast<std::size_t>(count));
    boost::beast::error_code error;
    peer.received.consume(peer.request.put(peer.received.data(), error));
    if (error && error != http::error::need_more) return false;
    if (peer.request.is_done()) answer(which, peer);
    return true;
}

void mainland_server::answer(id which, connection& peer) {
    const auto target = peer.request.get().target();
    const auto found = index_of_.find(std::string(target.data(), target.size()));
    if (found == index_of_.end()) {
        peer.reply = not_found;
        watch(EPOLL_CTL_MOD, peer.socket.get(), which, EPOLLOUT);
    } else {
        watch(EPOLL_CTL_MOD, peer.socket.get(), which, 0);  // hang-ups are reported all the same
        due_.emplace(clock::now() + plan_[found->second].delay, which);
    }
}

int mainland_server::milliseconds_until_due() const {
    if (due_.empty()) return -1;
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(due_.begin()->first - clock::now());
    return static_cast<int>(std::max<std::chrono::milliseconds::rep>(left.count(), 0));
}

void mainland_server::send_what_is_due() {
    const auto now = clock::now();
    while (!due_.empty() && due_.begin()->first <= now) {
        const id which = due_.extract(due_.begin()).mapped();
        const auto found = connections_.find(which);
        if (found == connections_.end()) continue;
        connection& peer = found->second;
        const auto target = peer.request.get().target();
        peer.reply = plan_[index_of_.at(std::string(target.data(), target.size()))].text();
        watch(EPOLL_CTL_MOD, peer.socket.get(), which, EPOLLOUT);
    }
}

bool mainland_server::write_reply(id, connection& peer) {
    const ssize_t count =
        ::send(peer.socket.get(), peer.reply.data() + peer.sent, peer.reply.size() - peer.sent, MSG_NOSIGNAL);
    if (count < 0) return errno == EAGAIN || errno == EINTR;
    peer.sent += static_cast<std::size_t>(count);
    return peer.sent < peer.reply.size();
}

void mainland_server::watch(int operation, int fd, id which, std::uint32_t events) {
    epoll_event event{};
    event.events = events;
    event.data.u64 = which;
    checked(epoll_ctl(poller_.get(), operation, fd, &event), "epoll_ctl");
}

}  // namespace legacy_island
