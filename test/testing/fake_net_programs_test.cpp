#include <tombolo/fibers/cancel_scope.hpp>
#include <tombolo/fibers/clock.hpp>
#include <tombolo/fibers/errors.hpp>
#include <tombolo/fibers/io_error.hpp>
#include <tombolo/fibers/net/open_tcp_stream.hpp>
#include <tombolo/fibers/net/serve.hpp>
#include <tombolo/fibers/net/udp_socket.hpp>
#include <tombolo/fibers/nursery.hpp>
#include <tombolo/fibers/run.hpp>
#include <tombolo/fibers/timeouts.hpp>
#include <tombolo/testing/fake_net.hpp>
#include <tombolo/testing/mock_clock.hpp>
#include <tombolo/testing/test.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

// Programs as users write them, on networks that nobody would wish for.

namespace tombolo::testing {
namespace {

using namespace std::chrono_literals;
using net::endpoint;
using net::tcp_stream;
using net::udp_socket;

const endpoint server_place("10.0.0.2", 53);

/// Answers every question with the same text, for ever.
void answer_datagrams() {
    udp_socket answering(net::family::ipv4);
    answering.bind(server_place);
    std::string buffer(100, '\0');
    for (;;) {
        const net::received_from question = answering.receive_from(buffer);
        answering.send_to("re: " + buffer.substr(0, question.count), question.from);
    }
}

struct answer {
    std::string text;
    int attempts = 0;
};

/// Asks again after `patience`, as long as it takes.
answer ask(udp_socket& from, const std::string& question, duration patience) {
    answer got;
    std::string buffer(100, '\0');
    do {
        ++got.attempts;
        from.send_to(question, server_place);
        static_cast<void>(move_on_after(patience, [&] {
            do got.text = buffer.substr(0, from.receive_from(buffer).count);
            while (got.text != "re: " + question);
        }));
    } while (got.text != "re: " + question);
    return got;
}

void serve_lines(task_status<std::vector<endpoint>>& status) {
    net::serve_tcp(
        [](tcp_stream connection) {
            std::string buffer(100, '\0');
            while (const std::size_t count = connection.receive_some(buffer))
                connection.send_all("re: " + buffer.substr(0, count));
        },
        80, {.on_handler_error = [](const std::exception_ptr&) {}, .status = &status});
}

std::string ask_line(std::string_view host, const std::string& question) {
    tcp_stream connection = net::open_tcp_stream(host, 80);
    connection.send_all(question);
    connection.send_eof();
    std::string all;
    std::string buffer(100, '\0');
    while (const std::size_t count = connection.receive_some(buffer)) all += buffer.substr(0, count);
    return all;
}

TOMBOLO_TEST(fake_net_programs, get_every_answer_by_asking_again_under_loss) {
    fake_net network({.link = {.latency = 20ms, .jitter = 30ms, .loss = 0.3, .duplication = 0.1}});
    network.add_host("server", {"10.0.0.2"});
    int attempts = 0;
    open_nursery([&](nursery& n) {
        network.run_on("server", [&] { n.start_soon(answer_datagrams); });
        udp_socket client(net::family::ipv4);
        for (int i = 0; i < 100; ++i) {
            const answer got = ask(client, std::to_string(i), 200ms);
            EXPECT_EQ(got.text, "re: " + std::to_string(i));
            attempts += got.attempts;
        }
        n.cancel_scope().cancel();
    });
    // One in two gets through, there and back.
    EXPECT_GT(attempts, 130);
    EXPECT_LT(attempts, 320);
}

TOMBOLO_TEST(fake_net_programs, come_through_a_partition_that_heals) {
    fake_net network;
    network.add_host("server", {"10.0.0.2"});
    open_nursery([&](nursery& n) {
        network.run_on("server", [&] { n.start_soon(answer_datagrams); });
        udp_socket client(net::family::ipv4);
        EXPECT_EQ(ask(client, "before", 1s).attempts, 1);
        network.partition("here", "server");
        n.start_soon([&] {
            sleep_for(10500ms);
            network.heal();
        });
        EXPECT_EQ(ask(client, "during", 1s).attempts, 12);
        EXPECT_EQ(ask(client, "after", 1s).attempts, 1);
        n.cancel_scope().cancel();
    });
}

TOMBOLO_TEST(fake_net_programs, reconnect_when_their_connection_is_reset) {
    fake_net network;
    network.add_host("server", {"10.0.0.2"});
    open_nursery([&](nursery& n) {
        network.run_on("server", [&] { n.start<std::vector<endpoint>>(serve_lines); });
        n.start_soon([&] {
            for (int i = 0; i < 5; ++i) {
                sleep_for(1ms);
                network.reset_connections("here", "server");
            }
        });
        int attempts = 0;
        std::string got;
        while (got.empty()) {
            ++attempts;
            try {
                got = ask_line("server", "hello");
            } catch (const broken_stream&) {}
        }
        EXPECT_EQ(got, "re: hello");
        EXPECT_GT(attempts, 1);
        n.cancel_scope().cancel();
    });
}

TOMBOLO_TEST(fake_net_programs, run_on_a_hundred_hosts) {
    fake_net network({.link = {.latency = 5ms, .loss = 0.02}});
    constexpr int hosts = 100;
    const auto name = [](int i) { return "host-" + std::to_string(i); };
    for (int i = 0; i < hosts; ++i)
        network.add_host(name(i), {"10.1.0." + std::to_string(i + 1), "fd00::" + std::to_string(i + 1)});
    int answers = 0;
    open_nursery([&](nursery& n) {
        for (int i = 0; i < hosts; ++i) network.run_on(name(i), [&] { n.start<std::vector<endpoint>>(serve_lines); });
        open_nursery([&](nursery& clients) {
            for (int i = 0; i < hosts; ++i)
                network.run_on(name(i), [&] {
                    clients.start_soon([&, i] {
                        for (const int step : {1, 7, 31}) {
                            EXPECT_EQ(ask_line(name((i + step) % hosts), "from " + name(i)), "re: from " + name(i));
                            ++answers;
                        }
                    });
                });
        });
        n.cancel_scope().cancel();
    });
    EXPECT_EQ(answers, 3 * hosts);
}

/// What a lossy network made of a program: everything that happened, and when.
std::vector<std::string> story(std::uint64_t run_seed, std::uint64_t network_seed) {
    std::vector<std::string> events;
    mock_clock clock{{.autojump_threshold = duration::zero()}};
    const auto note = [&](const std::string& what) {
        events.push_back(std::to_string(clock.elapsed().count()) + " " + what);
    };
    const auto program = [&] {
        fake_net network(
            {.seed = network_seed,
             .link = {.latency = 20ms, .jitter = 30ms, .loss = 0.2, .duplication = 0.2, .bandwidth = 5000}});
        network.add_host("server", {"10.0.0.2"});
        open_nursery([&](nursery& n) {
            network.run_on("server", [&] {
                n.start_soon(answer_datagrams);
                n.start<std::vector<endpoint>>(serve_lines);
            });
            open_nursery([&](nursery& clients) {
                for (int i = 0; i < 5; ++i)
                    clients.start_soon([&, i] {
                        udp_socket client(net::family::ipv4);
                        const answer got = ask(client, std::to_string(i), 200ms);
                        note(got.text + " after " + std::to_string(got.attempts));
                        note(ask_line("server", std::to_string(i)));
                    });
            });
            n.cancel_scope().cancel();
        });
        note(std::to_string(network.statistics().lost) + " lost");
    };
    run(program, {.clock = &clock, .seed = run_seed});
    return events;
}

TEST(fake_net_programs, run_the_same_way_with_the_same_seeds) {
    for (std::uint64_t seed = 1; seed != 6; ++seed) {
        const std::vector<std::string> first = story(7, seed);
        EXPECT_EQ(first.size(), 11U);
        EXPECT_EQ(first, story(7, seed));
        EXPECT_NE(first, story(7, seed + 100));
    }
}

TEST(fake_net_programs, are_told_when_they_wait_for_what_can_never_come) {
    mock_clock clock{{.autojump_threshold = duration::zero()}};
    const auto program = [] {
        const fake_net network;
        udp_socket alone(net::family::ipv4);
        alone.bind(endpoint("192.0.2.1", 53));
        std::string buffer(10, '\0');
        static_cast<void>(alone.receive_from(buffer));
    };
    EXPECT_THROW(run(program, {.clock = &clock, .detect_deadlock = true}), deadlock);
}

TEST(fake_net_programs, may_keep_a_socket_longer_than_their_run) {
    net::socket kept;
    mock_clock clock{{.autojump_threshold = duration::zero()}};
    const auto program = [&] {
        const fake_net network;
        net::socket listening(net::family::ipv4, net::socket_type::stream);
        listening.bind(endpoint("192.0.2.1", 80));
        listening.listen();
        kept = net::socket(net::family::ipv4, net::socket_type::stream);
        kept.connect(endpoint("192.0.2.1", 80));
    };
    run(program, {.clock = &clock});
    kept.close();
    EXPECT_FALSE(kept.is_open());
}

}  // namespace
}  // namespace tombolo::testing
