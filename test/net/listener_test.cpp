#include "test/support/loopback.hpp"
#include "test/support/scripted_network.hpp"

#include <tombolo/base/unique_fd.hpp>
#include <tombolo/fibers/errors.hpp>
#include <tombolo/fibers/net/open_tcp_listeners.hpp>
#include <tombolo/fibers/net/open_tcp_stream.hpp>
#include <tombolo/fibers/net/serve.hpp>
#include <tombolo/fibers/net/unix_listener.hpp>
#include <tombolo/fibers/nursery.hpp>
#include <tombolo/testing/test.hpp>
#include <tombolo/testing/wait_all_tasks_blocked.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <unistd.h>

// Listeners of the system's sockets, and errors of accept on scripted ones: case 87.

namespace tombolo::testing {
namespace {

using net::open_tcp_listeners;
using net::open_tcp_stream;
using net::tcp_listener;
using net::tcp_stream;
using ::testing::HasSubstr;

tcp_stream connected_to(const tcp_listener& listener) {
    return open_tcp_stream("127.0.0.1", listener.local_endpoint().port());
}

char received_byte(auto& stream) {
    char byte = 0;
    EXPECT_EQ(stream.receive_some({&byte, 1}), 1U);
    return byte;
}

TOMBOLO_TEST(tcp_listener, accepts_connections_with_small_writes_going_out_at_once) {
    tcp_listener listener = loopback_listener();
    tcp_stream client = connected_to(listener);
    tcp_stream server = listener.accept();
    EXPECT_EQ(server.remote_endpoint(), client.local_endpoint());
    client.send_all("x");
    EXPECT_EQ(received_byte(server), 'x');
}

TOMBOLO_TEST(tcp_listener, closed_while_a_task_accepts_wakes_it) {
    tcp_listener listener = loopback_listener();
    open_nursery([&](nursery& n) {
        n.start_soon([&] { EXPECT_THROW(static_cast<void>(listener.accept()), closed_resource); });
        wait_all_tasks_blocked();
        listener.close();
    });
    EXPECT_THROW(static_cast<void>(listener.accept()), closed_resource);
    EXPECT_THROW(static_cast<void>(listener.local_endpoint()), closed_resource);
    listener.close();
    listener.aclose();
}

TOMBOLO_TEST(tcp_listener, lets_one_task_accept_at_a_time) {
    tcp_listener listener = loopback_listener();
    open_nursery([&](nursery& n) {
        n.start_soon([&] { static_cast<void>(listener.accept()); });
        wait_all_tasks_blocked();
        EXPECT_THROW(static_cast<void>(listener.accept()), busy_resource);
        n.cancel_scope().cancel();
    });
}

TOMBOLO_TEST(tcp_listener, loses_no_connection_to_a_cancelled_accept) {
    tcp_listener listener = loopback_listener();
    open_nursery([&](nursery& n) {
        n.start_soon([&] { static_cast<void>(listener.accept()); });
        wait_all_tasks_blocked();
        n.cancel_scope().cancel();
    });
    tcp_stream client = connected_to(listener);
    cancel_scope cancelled_before;
    cancelled_before.cancel();
    EXPECT_FALSE(cancelled_before.run([&] { static_cast<void>(listener.accept()); }));
    tcp_stream server = listener.accept();
    EXPECT_EQ(server.remote_endpoint(), client.local_endpoint());
}

TOMBOLO_TEST(tcp_listener, passes_over_a_connection_that_was_reset_before_it_was_accepted) {
    tcp_listener listener = loopback_listener();
    tcp_stream hasty = connected_to(listener);
    reset(hasty);
    tcp_stream client = connected_to(listener);
    tcp_stream server = listener.accept();
    if (server.remote_endpoint() != client.local_endpoint()) server = listener.accept();  // the reset was slow
    EXPECT_EQ(server.remote_endpoint(), client.local_endpoint());
}

TOMBOLO_TEST(tcp_listener, throws_capacity_errors_and_goes_on) {
    for (const int error : {EMFILE, ENFILE, ENOBUFS, ENOMEM}) {
        scripted_network network;
        network.accepts = {error, ECONNABORTED, 0};
        tcp_listener listener = std::move(open_tcp_listeners(80, {.host = "1.1.1.1"}).front());
        try {
            static_cast<void>(listener.accept());
            ADD_FAILURE() << "there is no room";
        } catch (const io_error& thrown) {
            EXPECT_EQ(thrown.number(), error);
        }
        network.accepts = {ECONNABORTED, 0};
        EXPECT_TRUE(listener.accept().is_open());
    }
}

TOMBOLO_TEST(tcp_listener, throws_errors_that_mean_something_else) {
    scripted_network network;
    network.accepts = {EBADMSG};
    tcp_listener listener = std::move(open_tcp_listeners(80, {.host = "1.1.1.1"}).front());
    EXPECT_THROW(static_cast<void>(listener.accept()), io_error);
}

TOMBOLO_TEST(tcp_listener, takes_only_sockets_that_listen) {
    const auto text_of_refusal = [](net::socket given) {
        try {
            tcp_listener refused(std::move(given));
            return std::string("taken");
        } catch (const invalid_descriptor& error) {
            return std::string(error.what());
        }
    };
    EXPECT_THAT(
        text_of_refusal(net::socket(net::family::ipv4, net::socket_type::datagram)),
        HasSubstr("needs a stream socket"));
    EXPECT_THAT(
        text_of_refusal(net::socket(net::family::ipv4, net::socket_type::stream)), HasSubstr("does not listen"));
    net::socket listening(net::family::ipv4, net::socket_type::stream);
    listening.listen();
    EXPECT_EQ(text_of_refusal(std::move(listening)), "taken");
}

bool exists(const std::string& path) { return std::filesystem::exists(std::filesystem::symlink_status(path)); }

TOMBOLO_TEST(unix_listener, accepts_and_removes_its_path_when_it_closes) {
    const scratch_folder folder;
    const std::string path = folder / "socket";
    {
        net::unix_listener listener = net::open_unix_listener(path);
        EXPECT_TRUE(exists(path));
        EXPECT_EQ(listener.local_endpoint(), net::endpoint::local(path));
        net::unix_stream client = net::open_unix_stream(path);
        net::unix_stream server = listener.accept();
        client.send_all("x");
        EXPECT_EQ(received_byte(server), 'x');
        net::unix_listener moved = std::move(listener);
        listener.close();
        EXPECT_TRUE(exists(path));
    }
    EXPECT_FALSE(exists(path));
}

TOMBOLO_TEST(unix_listener, leaves_a_path_alone_that_is_no_longer_its_own) {
    const scratch_folder folder;
    const std::string path = folder / "socket";
    net::unix_listener first = net::open_unix_listener(path);
    std::filesystem::remove(path);
    net::unix_listener second = net::open_unix_listener(path);
    first.close();
    EXPECT_TRUE(exists(path));
    EXPECT_TRUE(net::open_unix_stream(path).is_open());
}

TOMBOLO_TEST(unix_listener, refuses_a_path_where_somebody_listens) {
    const scratch_folder folder;
    const std::string path = folder / "socket";
    net::unix_listener first = net::open_unix_listener(path);
    try {
        static_cast<void>(net::open_unix_listener(path));
        ADD_FAILURE() << "somebody listens there";
    } catch (const io_error& error) {
        EXPECT_EQ(error.number(), EADDRINUSE);
        EXPECT_THAT(error.what(), HasSubstr(path));
    }
    EXPECT_TRUE(exists(path));
    EXPECT_TRUE(net::open_unix_stream(path).is_open());
}

TOMBOLO_TEST(unix_listener, takes_the_place_of_a_socket_that_a_dead_program_has_left) {
    const scratch_folder folder;
    const std::string path = folder / "socket";
    {
        net::socket left_behind(net::family::local, net::socket_type::stream);
        left_behind.bind(net::endpoint::local(path));
        left_behind.listen();
    }
    ASSERT_TRUE(exists(path));
    net::unix_listener listener = net::open_unix_listener(path);
    EXPECT_TRUE(net::open_unix_stream(path).is_open());
}

TOMBOLO_TEST(unix_listener, never_removes_what_is_no_socket) {
    const scratch_folder folder;
    const std::string path = folder / "file";
    unique_fd(::open(path.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600)).reset();
    EXPECT_THROW(static_cast<void>(net::open_unix_listener(path)), io_error);
    EXPECT_TRUE(exists(path));
}

TOMBOLO_TEST(unix_listener, listens_at_abstract_names_too) {
    const std::string name = std::string(1, '\0') + "tombolo-test-" + std::to_string(::getpid());
    net::unix_listener listener = net::open_unix_listener(name);
    EXPECT_TRUE(net::open_unix_stream(name).is_open());
}

TOMBOLO_TEST(serve_listeners, serves_unix_listeners) {
    const scratch_folder folder;
    const std::string path = folder / "socket";
    open_nursery([&](nursery& n) {
        using endpoints = std::vector<net::endpoint>;
        n.start<endpoints>([&](task_status<endpoints>& status) {
            std::vector<net::unix_listener> listeners;
            listeners.push_back(net::open_unix_listener(path));
            net::serve_listeners(
                [](net::unix_stream stream) { stream.send_all("hello"); }, std::move(listeners), {.status = &status});
        });
        net::unix_stream client = net::open_unix_stream(path);
        EXPECT_EQ(received_byte(client), 'h');
        n.cancel_scope().cancel();
    });
    EXPECT_FALSE(exists(path));
}

}  // namespace
}  // namespace tombolo::testing
