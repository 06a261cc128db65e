#include "test/support/loopback.hpp"
#include "test/support/open_descriptors.hpp"

#include <tombolo/fibers/event.hpp>
#include <tombolo/fibers/exception_group.hpp>
#include <tombolo/fibers/io_error.hpp>
#include <tombolo/fibers/net/open_tcp_stream.hpp>
#include <tombolo/fibers/net/serve.hpp>
#include <tombolo/fibers/net/unix_listener.hpp>
#include <tombolo/fibers/nursery.hpp>
#include <tombolo/fibers/timeouts.hpp>
#include <tombolo/testing/test.hpp>
#include <tombolo/testing/wait_all_tasks_blocked.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <pthread.h>
#include <sys/socket.h>

// What can go wrong with real sockets, made to go wrong. That a cancelled operation leaves nothing behind is for the abort
// table: abort_table_sockets_test.cpp.

namespace tombolo::testing {
namespace {

using net::tcp_stream;
using ::testing::ElementsAre;

template <class F>
int errno_of(F f) {
    try {
        f();
    } catch (const io_error& error) {
        return error.number();
    } catch (const broken_stream& error) {
        return error.code().value();
    }
    return 0;
}

char received_byte(net::socket_stream& from) {
    char byte = 0;
    return from.receive_some({&byte, 1}) == 1 ? byte : '\0';
}

std::size_t received_count(net::socket_stream& from) {
    std::array<char, 4096> buffer;
    return from.receive_some(buffer);
}

std::size_t received_to_the_end(net::socket_stream& from) {
    std::size_t all = 0;
    while (const std::size_t count = received_count(from)) all += count;
    return all;
}

TOMBOLO_TEST(descriptor_exhaustion, of_accept_is_thrown_and_loses_no_connection) {
    const descriptor_check check;
    net::tcp_listener listener = loopback_listener();
    net::socket client(net::family::ipv4, net::socket_type::stream);
    client.connect(listener.local_endpoint());
    {
        const no_more_descriptors limit;
        EXPECT_EQ(errno_of([&] { static_cast<void>(listener.accept()); }), EMFILE);
        EXPECT_EQ(errno_of([&] { static_cast<void>(listener.accept()); }), EMFILE);
    }
    EXPECT_EQ(listener.accept().remote_endpoint(), client.local_endpoint());
}

TOMBOLO_TEST(descriptor_exhaustion, makes_a_server_wait_and_go_on) {
    const descriptor_check check;
    std::optional<no_more_descriptors> limit;
    std::vector<int> reported;
    const auto note = [&](const io_error& error) {
        reported.push_back(error.number());
        if (reported.size() == 3) limit.reset();
    };
    open_nursery([&](nursery& n) {
        using endpoints = std::vector<net::endpoint>;
        const endpoints at = n.start<endpoints>([&](task_status<endpoints>& status) {
            net::serve_tcp(
                [](tcp_stream stream) { stream.send_all("x"); }, 0,
                {.host = "127.0.0.1", .on_exhausted = note, .status = &status});
        });
        net::socket connecting(net::family::ipv4, net::socket_type::stream);
        wait_all_tasks_blocked();  // the run has opened what it waits with
        limit.emplace();
        connecting.connect(at.front());
        tcp_stream client(std::move(connecting));
        EXPECT_EQ(received_byte(client), 'x');
        n.cancel_scope().cancel();
    });
    EXPECT_THAT(reported, ElementsAre(EMFILE, EMFILE, EMFILE));
}

TOMBOLO_TEST(descriptor_exhaustion, is_what_everything_says_that_needs_a_descriptor) {
    const descriptor_check check;
    const scratch_folder folder;
    loopback_connection connection;
    net::tcp_listener listener = loopback_listener();
    const std::uint16_t port = listener.local_endpoint().port();
    const no_more_descriptors limit;
    EXPECT_EQ(errno_of([] { net::socket(net::family::ipv4, net::socket_type::stream); }), EMFILE);
    EXPECT_EQ(errno_of([] { static_cast<void>(net::socket::pair()); }), EMFILE);
    EXPECT_EQ(errno_of([&] { static_cast<void>(connection.near.socket().duplicate()); }), EMFILE);
    EXPECT_EQ(errno_of([&] { static_cast<void>(net::open_tcp_stream("127.0.0.1", port)); }), EMFILE);
    EXPECT_EQ(errno_of([] { static_cast<void>(net::open_tcp_listeners(0, {.host = "127.0.0.1"})); }), EMFILE);
    EXPECT_EQ(errno_of([&] { static_cast<void>(net::open_unix_listener(folder / "path")); }), EMFILE);
    EXPECT_EQ(errno_of([&] { static_cast<void>(net::open_unix_stream(folder / "path")); }), EMFILE);
    connection.near.send_all("x");
    EXPECT_EQ(received_byte(connection.far), 'x') << "what is open goes on";
}

TOMBOLO_TEST(connection_reset, of_who_waits_to_receive_is_a_broken_stream) {
    const descriptor_check check;
    loopback_connection connection;
    meanwhile(
        [&] { reset(connection.far); },
        [&] { EXPECT_EQ(errno_of([&] { received_count(connection.near); }), ECONNRESET); });
    EXPECT_EQ(received_count(connection.near), 0U) << "as the system says afterwards";
}

TOMBOLO_TEST(connection_reset, before_a_receive_is_a_broken_stream) {
    loopback_connection connection;
    connection.far.send_all("lost");
    reset(connection.far);
    connection.near.socket().wait_readable();
    while (connection.near.is_open()) {
        try {
            received_count(connection.near);
        } catch (const broken_stream& broken) {
            EXPECT_EQ(broken.code().value(), ECONNRESET);
            connection.near.close();
        }
    }
}

TOMBOLO_TEST(connection_reset, of_who_waits_to_send_is_a_broken_stream) {
    loopback_connection connection;
    clog(connection.near.socket());
    meanwhile(
        [&] { reset(connection.far); },
        [&] { EXPECT_EQ(errno_of([&] { connection.near.send_all("x"); }), ECONNRESET); });
    EXPECT_EQ(errno_of([&] { connection.near.send_all("x"); }), EPIPE);
}

TOMBOLO_TEST(connection_reset, before_a_send_is_a_broken_stream) {
    loopback_connection connection;
    reset(connection.far);
    connection.near.socket().wait_readable();
    EXPECT_THAT(errno_of([&] { connection.near.send_all("x"); }), ::testing::AnyOf(ECONNRESET, EPIPE));
    EXPECT_THAT(errno_of([&] { connection.near.send_eof(); }), ::testing::AnyOf(ENOTCONN, EPIPE));
}

TOMBOLO_TEST(connection_reset, ends_every_wait_for_room) {
    loopback_connection connection;
    clog(connection.near.socket());
    meanwhile([&] { reset(connection.far); }, [&] { connection.near.wait_send_all_might_not_block(); });
    EXPECT_THAT(errno_of([&] { connection.near.send_all("x"); }), ::testing::AnyOf(ECONNRESET, EPIPE));
}

TOMBOLO_TEST(connection_reset, is_for_its_handler_alone_when_the_server_goes_on) {
    const descriptor_check check;
    int broken = 0;
    open_nursery([&](nursery& n) {
        using endpoints = std::vector<net::endpoint>;
        event reported;
        const endpoints at = n.start<endpoints>([&](task_status<endpoints>& status) {
            const auto note = [&](const std::exception_ptr& error) {
                broken += holds<broken_stream>(error) ? 1 : 0;
                reported.set();
            };
            const auto echo = [](tcp_stream stream) {
                stream.send_all("x");
                if (received_byte(stream) == 'y') stream.send_all("z");
            };
            net::serve_tcp(echo, 0, {.host = "127.0.0.1", .on_handler_error = note, .status = &status});
        });
        tcp_stream rude = net::open_tcp_stream("127.0.0.1", at.front().port());
        EXPECT_EQ(received_byte(rude), 'x');
        reset(rude);
        reported.wait();
        tcp_stream client = net::open_tcp_stream("127.0.0.1", at.front().port());
        EXPECT_EQ(received_byte(client), 'x');
        client.send_all("y");
        EXPECT_EQ(received_byte(client), 'z');
        n.cancel_scope().cancel();
    });
    EXPECT_EQ(broken, 1);
}

TOMBOLO_TEST(connection_refused, names_the_endpoint) {
    const descriptor_check check;
    net::tcp_listener listener = loopback_listener();
    const net::endpoint closed = listener.local_endpoint();
    listener.close();
    try {
        static_cast<void>(net::open_tcp_stream("127.0.0.1", closed.port()));
        ADD_FAILURE() << "nobody listens there";
    } catch (const net::connect_error& error) {
        EXPECT_EQ(error.number(), ECONNREFUSED);
        EXPECT_THAT(error.what(), ::testing::HasSubstr(closed.to_string()));
    }
}

/// Sends three large buffers and three small ones; returns how much arrives.
template <class Stream>
std::size_t sent_in_pieces(Stream& near, Stream& far) {
    near.socket().set_option(SOL_SOCKET, SO_SNDBUF, 1);
    const std::string text(300'000, 't');
    const std::array<const_bytes, 5> parts{
        const_bytes(text), const_bytes(), const_bytes("x"), const_bytes(text), const_bytes("y")};
    std::size_t got = 0;
    open_nursery([&](nursery& n) {
        n.start_soon([&] {
            near.send_all(text);
            near.send_all(parts);
            near.send_eof();
        });
        got = received_to_the_end(far);
    });
    return got;
}

TOMBOLO_TEST(short_writes, are_put_together) {
    loopback_connection tcp;
    EXPECT_EQ(sent_in_pieces(tcp.near, tcp.far), 900'002U);
    auto [near, far] = net::unix_stream::pair();
    EXPECT_EQ(sent_in_pieces(near, far), 900'002U);
}

/// Interrupts this thread with signals, as often as it can, until it ends.
class signal_storm {
public:
    signal_storm() : target_(::pthread_self()), sender_([this] { send(); }) {}
    signal_storm(const signal_storm&) = delete;
    signal_storm& operator=(const signal_storm&) = delete;
    ~signal_storm() {
        over_ = true;
        sender_.join();
    }

private:
    struct handler {
        handler() {
            struct sigaction counting{};
            counting.sa_handler = [](int) {};  // without SA_RESTART
            EXPECT_EQ(::sigaction(SIGUSR1, &counting, &before), 0);
        }
        handler(const handler&) = delete;
        handler& operator=(const handler&) = delete;
        ~handler() { ::sigaction(SIGUSR1, &before, nullptr); }
        struct sigaction before{};
    };

    void send() {
        while (!over_) {
            ::pthread_kill(target_, SIGUSR1);
            std::this_thread::yield();
        }
    }

    handler installed_;
    std::atomic<bool> over_ = false;
    pthread_t target_;
    std::thread sender_;
};

TOMBOLO_TEST(signals_during_system_calls, interrupt_nothing) {
    const descriptor_check check;
    const signal_storm storm;
    for (int i = 0; i < 20; ++i) {
        loopback_connection connection;
        const std::string text(200'000, 't');
        std::size_t got = 0;
        open_nursery([&](nursery& n) {
            n.start_soon([&] {
                connection.near.send_all(text);
                connection.near.send_eof();
            });
            got = received_to_the_end(connection.far);
        });
        EXPECT_EQ(got, text.size());
    }
}

TOMBOLO_TEST(peer_that_never_reads, makes_its_sender_wait_and_nobody_else) {
    loopback_connection silent;
    loopback_connection lively;
    const std::string text(20'000'000, 't');
    bool sent = false;
    open_nursery([&](nursery& n) {
        n.start_soon([&] {
            silent.near.send_all(text);
            sent = true;
        });
        wait_all_tasks_blocked();
        EXPECT_FALSE(sent);
        lively.near.send_all("x");
        EXPECT_EQ(received_byte(lively.far), 'x');
        EXPECT_THROW(silent.near.send_all("y"), busy_resource);
        n.cancel_scope().cancel("it takes too long");
    });
    EXPECT_FALSE(sent);
}

TOMBOLO_TEST(half_open_connection, carries_bytes_the_other_way) {
    loopback_connection connection;
    connection.near.send_all("last");
    connection.near.send_eof();
    EXPECT_THROW(connection.near.send_all("x"), closed_resource);
    EXPECT_EQ(received_to_the_end(connection.far), 4U);
    EXPECT_EQ(received_count(connection.far), 0U) << "again";
    connection.far.send_all("answer");
    connection.far.close();
    EXPECT_EQ(received_to_the_end(connection.near), 6U);
}

TOMBOLO_TEST(half_open_connection, whose_peer_is_gone_breaks_when_it_sends) {
    loopback_connection connection;
    connection.far.close();
    EXPECT_EQ(received_count(connection.near), 0U);
    int error = 0;
    while (error == 0) error = errno_of([&] { connection.near.send_all("x"); });
    EXPECT_THAT(error, ::testing::AnyOf(EPIPE, ECONNRESET));
}

TOMBOLO_TEST(closing, wakes_who_sends_and_who_receives) {
    loopback_connection connection;
    clog(connection.near.socket());
    open_nursery([&](nursery& n) {
        n.start_soon([&] { EXPECT_THROW(connection.near.send_all("x"), closed_resource); });
        n.start_soon([&] { EXPECT_THROW(received_count(connection.near), closed_resource); });
        wait_all_tasks_blocked();
        connection.near.close();
    });
}

}  // namespace
}  // namespace tombolo::testing
