#pragma once

#include "planned_reply.hpp"

#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <thread>
#include <vector>

namespace legacy_island {

/// A small HTTP server on a thread of its own, on loopback, on a port that the system picks. It is the mainland: an
/// ordinary epoll loop without a trace of tombolo. The destructor stops it, whatever its connections are doing.
class mainland_server {
public:
    /// Throws: std::system_error, if there can be no listener.
    explicit mainland_server(std::vector<planned_reply> plan);
    ~mainland_server();
    mainland_server(const mainland_server&) = delete;
    mainland_server& operator=(const mainland_server&) = delete;

    std::vector<std::string> resources() const;  // host:port/path of all of them, in the plan's order

private:
    using clock = std::chrono::steady_clock;
    using id = std::uint64_t;  // of a connection; never used twice, as descriptors are

    class descriptor {
    public:
        explicit descriptor(int fd = -1) : fd_(fd) {}
        descriptor(descriptor&& other) noexcept : fd_(other.fd_) { other.fd_ = -1; }
        descriptor& operator=(descriptor&&) = delete;
        ~descriptor();
        int get() const { return fd_; }

    private:
        int fd_;
    };

    struct connection {
        explicit connection(int fd) : socket(fd) {}
        descriptor socket;
        boost::beast::flat_buffer received{};
        boost::beast::http::request_parser<boost::beast::http::empty_body> request{};
        std::string reply{};
        std::size_t sent = 0;
    };

    std::string path_of(std::size_t index) const;
    void serve();
    void accept_one();
    void on_event(id which);
    bool read_request(id which, connection& peer);
    bool write_reply(id which, connection& peer);
    void answer(id which, connection& peer);
    void watch(int operation, int fd, id which, std::uint32_t events);
    void listen_again();
    int milliseconds_until_due() const;
    void send_what_is_due();

    static constexpr id listener_id = 0, stop_id = 1;

    std::vector<planned_reply> plan_;
    std::map<std::string, std::size_t> index_of_;
    descriptor poller_, listener_, stop_;
    std::uint16_t port_ = 0;
    id next_id_ = 2;
    bool listening_ = true;  // not while there is no descriptor left to accept with
    std::map<id, connection> connections_;
    std::multimap<clock::time_point, id> due_;  // may name connections that are gone
    std::thread thread_;
};

}  // namespace legacy_island
