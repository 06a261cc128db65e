#include "test/fibers/abort_table.hpp"
#include "test/support/loopback.hpp"
#include "test/support/open_descriptors.hpp"
#include "test/support/scripted_network.hpp"

#include <tombolo/base/scope_exit.hpp>
#include <tombolo/fibers/capacity_limiter.hpp>
#include <tombolo/fibers/exception_group.hpp>
#include <tombolo/fibers/net/open_tcp_stream.hpp>
#include <tombolo/fibers/net/resolve.hpp>
#include <tombolo/fibers/net/serve.hpp>
#include <tombolo/fibers/net/socket.hpp>
#include <tombolo/fibers/net/udp_socket.hpp>
#include <tombolo/fibers/net/unix_listener.hpp>
#include <tombolo/fibers/timeouts.hpp>
#include <tombolo/fibers/to_thread.hpp>

#include <gtest/gtest.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <unistd.h>

// The rows of sockets, streams, listeners and servers. Each leaves as many descriptors as it found.

namespace tombolo::testing {
namespace {

using net::tcp_stream;
using net::unix_stream;

/// Runs `stage`, and sees that it leaves no descriptor open.
template <class Stage>
std::function<void(attempt&)> counted(Stage stage) {
    return [stage](attempt& make) {
        const descriptor_check check;
        stage(make);
    };
}

std::string everything_in(net::socket& socket) {
    std::string all;
    std::array<char, 65536> buffer;
    while (const auto count = socket.try_receive(buffer)) {
        if (*count == 0) break;
        all.append(buffer.data(), *count);
    }
    return all;
}

/// A byte is received, or it is still there.
void receive(attempt& make, bool sent_before) {
    auto [near, far] = unix_stream::pair();
    const auto send = [&far = far] { EXPECT_TRUE(far.socket().try_send("x")); };
    if (sent_before) send();
    bool completed = false;
    meanwhile(
        [&] {
            if (!sent_before) send();
        },
        [&, &near = near] {
            completed = make([&] {
                std::array<char, 10> buffer;
                EXPECT_EQ(near.receive_some(buffer), 1U);
            });
        });
    EXPECT_EQ(everything_in(near.socket()), completed ? "" : "x");
}

/// All is sent, or a part, or nothing: never anything else.
void send(attempt& make) {
    auto [near, far] = unix_stream::pair();
    const std::size_t before = clog(near.socket());
    const std::string text(500'000, 't');
    std::string got;
    bool completed = false;
    open_nursery([&, &near = near, &far = far](nursery& n) {
        n.start_soon([&] {
            std::array<char, 65536> buffer;
            while (const std::size_t count = far.receive_some(buffer)) got.append(buffer.data(), count);
        });
        completed = make([&] { near.send_all(text); });
        near.close();
    });
    ASSERT_GE(got.size(), before);
    got.erase(0, before);
    EXPECT_EQ(got, text.substr(0, got.size()));
    EXPECT_TRUE(!completed || got.size() == text.size());
}

/// Somebody who never reads.
void send_to_a_wall(attempt& make) {
    auto [near, far] = unix_stream::pair();
    clog(near.socket());
    meanwhile(
        [&near = near] { near.close(); },
        [&, &near = near] { make([&] { expect_error<closed_resource>([&] { near.send_all("x"); }); }); });
}

/// The connection is accepted, or it is still there.
void accept(attempt& make, bool connected_before) {
    net::tcp_listener listener = loopback_listener();
    net::socket client(net::family::ipv4, net::socket_type::stream);
    const auto connect = [&] { client.connect(listener.local_endpoint()); };
    if (connected_before) connect();
    tcp_stream accepted;
    bool completed = false;
    meanwhile(
        [&] {
            if (!connected_before) connect();
        },
        [&] { completed = make([&] { accepted = listener.accept(); }); });
    EXPECT_EQ(completed, accepted.is_open());
    if (!completed) accepted = listener.accept();
    EXPECT_EQ(accepted.remote_endpoint(), client.local_endpoint());
}

void connect(attempt& make) {
    net::tcp_listener listener = loopback_listener();
    net::socket client(net::family::ipv4, net::socket_type::stream);
    const bool completed = make([&] { client.connect(listener.local_endpoint()); });
    if (completed) {
        EXPECT_EQ(client.remote_endpoint(), listener.local_endpoint());
    } else if (client.is_open()) {
        EXPECT_THROW(static_cast<void>(client.remote_endpoint()), io_error) << "cancelled before it began";
    }
}

void open_tcp(attempt& make) {
    net::tcp_listener listener = loopback_listener();
    const std::uint16_t port = listener.local_endpoint().port();
    tcp_stream stream;
    const bool completed = make([&] { stream = net::open_tcp_stream("127.0.0.1", port); });
    EXPECT_EQ(completed, stream.is_open());
}

void open_tcp_among_several(attempt& make) {
    scripted_network network;
    network.addresses = {"1.1.1.1", "2.2.2.2", "3.3.3.3"};
    network.connects["1.1.1.1"] = {std::chrono::seconds(1), ECONNREFUSED};
    network.connects["2.2.2.2"] = {std::chrono::seconds(1)};
    network.connects["3.3.3.3"] = {std::chrono::milliseconds(750)};
    {
        tcp_stream stream;
        const bool completed = make([&] { stream = net::open_tcp_stream("host", 80); });
        EXPECT_EQ(completed, stream.is_open());
        EXPECT_EQ(network.open_sockets, completed ? 1 : 0);
    }
    EXPECT_EQ(network.open_sockets, 0);
}

void open_listeners(attempt& make) {
    scripted_network network;
    network.addresses = {"1.1.1.1", "::2", "3.3.3.3"};
    {
        std::vector<net::tcp_listener> listeners;
        const bool completed = make([&] { listeners = net::open_tcp_listeners(80, {.host = "host"}); });
        EXPECT_EQ(network.open_sockets, completed ? 3 : 0);
    }
    EXPECT_EQ(network.open_sockets, 0);
}

void open_unix(attempt& make) {
    const scratch_folder folder;
    const std::string path = folder / "path";
    {
        net::unix_listener listener;
        const bool completed = make([&] { listener = net::open_unix_listener(path); });
        EXPECT_EQ(completed, listener.is_open());
        if (completed) {
            EXPECT_TRUE(net::open_unix_stream(path).is_open());
        }
    }
    EXPECT_FALSE(std::filesystem::exists(std::filesystem::symlink_status(path))) << "removed, or never made";
}

/// A server that ends because a handler says so.
void serve(attempt& make) {
    scripted_network network;
    network.accepts = {EMFILE, 0, ECONNABORTED, 0};
    struct enough {};
    int served = 0;
    const auto handler = [&](tcp_stream) {
        sleep_for(std::chrono::seconds(1));
        if (++served == 2) throw enough{};
    };
    make([&] {
        try {
            net::serve_tcp(
                handler, 80, {.host = "1.1.1.1", .max_connections = 1, .on_exhausted = [](const io_error&) {}});
        } catch (const base_exception_group& ended) {
            if (!ended.split<enough>().match) throw;
        }
    });
    EXPECT_EQ(network.open_sockets, 0);
}

/// Waits until threads that were abandoned have given back what they had. Also after an interrupt, so in a destructor.
void forget_threads() {
    while (current_default_thread_limiter().borrowed() != 0) lowlevel::cancel_shielded_checkpoint();
}

void receive_datagram(attempt& make) {
    net::udp_socket near(net::family::ipv4);
    near.bind({"127.0.0.1", 0});
    net::udp_socket far(net::family::ipv4);
    std::array<char, 10> buffer;
    bool completed = false;
    meanwhile(
        [&] { far.send_to("abc", near.local_endpoint()); },
        [&] { completed = make([&] { EXPECT_EQ(near.receive_from(buffer).count, 3U); }); });
    EXPECT_EQ(near.socket().try_receive(buffer).has_value(), !completed) << "received, or still there";
}

void send_eof(attempt& make) {
    auto [near, far] = unix_stream::pair();
    const bool completed = make([&near = near] { near.send_eof(); });
    std::array<char, 1> buffer;
    EXPECT_TRUE(!completed || far.socket().try_receive(buffer) == std::size_t{0});
}

void send_file(attempt& make) {
    auto [near, far] = unix_stream::pair();
    clog(near.socket());
    const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::tmpfile(), &std::fclose);
    EXPECT_EQ(::write(::fileno(file.get()), "xyz", 3), 3);
    std::string got;
    bool completed = false;
    meanwhile(
        [&, &far = far] { got = everything_in(far.socket()); },
        [&, &near = near] { completed = make([&] { EXPECT_EQ(near.send_file(::fileno(file.get()), 0, 3), 3U); }); });
    got += everything_in(far.socket());
    EXPECT_EQ(got.ends_with("xyz"), completed);
}

void wait_writable(attempt& make) {
    auto [near, far] = unix_stream::pair();
    clog(near.socket());
    meanwhile(
        [&far = far] { everything_in(far.socket()); },
        [&, &near = near] { make([&] { near.wait_send_all_might_not_block(); }); });
}

const operation_rows sockets{
    {"stream_receive_some", true, counted([](attempt& make) { receive(make, false); })},
    {"stream_receive_some_at_once", true, counted([](attempt& make) { receive(make, true); })},
    {"stream_send_all", true, counted(send)},
    {"stream_send_all_to_who_never_reads", true, counted(send_to_a_wall)},
    {"stream_send_eof", true, counted(send_eof)},
    {"stream_send_file", true, counted(send_file)},
    {"stream_wait_send_all_might_not_block", true, counted(wait_writable)},
    {"tcp_listener_accept", true, counted([](attempt& make) { accept(make, false); })},
    {"tcp_listener_accept_at_once", true, counted([](attempt& make) { accept(make, true); })},
    {"socket_connect", true, counted(connect)},
    {"udp_receive_from", true, counted(receive_datagram)},
    {"open_tcp_stream", true, counted(open_tcp)},
    {"open_tcp_stream_among_several", true, open_tcp_among_several},
    {"open_tcp_listeners", true, open_listeners},
    {"open_unix_listener", true,
     [](attempt& make) {
         const scope_exit forget(forget_threads);
         open_unix(make);
     }},
    {"serve_tcp", true, serve},
    {"resolve", true,
     [](attempt& make) {
         const scope_exit forget(forget_threads);
         make([] { EXPECT_FALSE(net::resolve("localhost", 80).empty()); });
     }},
};

}  // namespace
}  // namespace tombolo::testing
