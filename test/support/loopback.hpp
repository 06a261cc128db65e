#pragma once

#include <tombolo/fibers/net/open_tcp_listeners.hpp>
#include <tombolo/fibers/net/socket.hpp>
#include <tombolo/fibers/net/tcp_listener.hpp>
#include <tombolo/fibers/net/tcp_stream.hpp>
#include <tombolo/fibers/nursery.hpp>
#include <tombolo/testing/wait_all_tasks_blocked.hpp>

#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <string>
#include <utility>

#include <stdlib.h>
#include <sys/socket.h>

// Connections of this machine with itself.
namespace tombolo::testing {

inline net::tcp_listener loopback_listener() {
    return std::move(net::open_tcp_listeners(0, {.host = "127.0.0.1"}).front());
}

/// A TCP connection, seen from both ends.
struct loopback_connection {
    loopback_connection() : loopback_connection(loopback_listener()) {}
    explicit loopback_connection(net::tcp_listener&& listener) {
        net::socket connecting(net::family::ipv4, net::socket_type::stream);
        connecting.connect(listener.local_endpoint());
        near = net::tcp_stream(std::move(connecting));
        far = listener.accept();
    }
    net::tcp_stream near;
    net::tcp_stream far;
};

/// Closes a connection so that the other end gets ECONNRESET.
inline void reset(net::tcp_stream& stream) {
    const linger at_once{.l_onoff = 1, .l_linger = 0};
    stream.socket().set_option(SOL_SOCKET, SO_LINGER, const_bytes(&at_once, sizeof at_once));
    stream.close();
}

/// Sends until the system takes no more. Units: bytes.
inline std::size_t clog(net::socket& socket) {
    static const std::string block(64 * 1024, 'c');
    std::size_t sent = 0;
    while (const auto count = socket.try_send(block)) sent += *count;
    return sent;
}

/// Makes `other` happen when everybody waits, while `main` goes on.
inline void meanwhile(const std::function<void()>& other, const std::function<void()>& main) {
    open_nursery([&](nursery& n) {
        n.start_soon([&] {
            wait_all_tasks_blocked();
            other();
        });
        main();
    });
}

/// A folder of its own, removed with all that is in it.
class scratch_folder {
public:
    scratch_folder() {
        std::string name = (std::filesystem::temp_directory_path() / "tombolo-XXXXXX").string();
        EXPECT_NE(::mkdtemp(name.data()), nullptr);
        path_ = name;
    }
    scratch_folder(const scratch_folder&) = delete;
    scratch_folder& operator=(const scratch_folder&) = delete;
    ~scratch_folder() { std::filesystem::remove_all(path_); }
    std::string operator/(const char* name) const { return (path_ / name).string(); }

private:
    std::filesystem::path path_;
};

}  // namespace tombolo::testing
