#include <tombolo/fibers/net/serve.hpp>

#include "test/fibers/thrown.hpp"
#include "test/support/scripted_network.hpp"

#include <tombolo/fibers/event.hpp>
#include <tombolo/fibers/exception_group.hpp>
#include <tombolo/fibers/net/accept_errors.hpp>
#include <tombolo/fibers/nursery.hpp>
#include <tombolo/fibers/semaphore.hpp>
#include <tombolo/fibers/timeouts.hpp>
#include <tombolo/testing/test.hpp>
#include <tombolo/testing/wait_all_tasks_blocked.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <chrono>
#include <cstddef>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

// Servers on a network whose connections come when the test wants them. Case 85.

namespace tombolo::testing {
namespace {

using namespace std::chrono_literals;
using net::tcp_stream;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;
using endpoints = std::vector<net::endpoint>;

TOMBOLO_TEST(serve_tcp, tries_again_every_100_ms_while_descriptors_have_run_out) {
    for (const int error : {EMFILE, ENFILE, ENOBUFS, ENOMEM}) {
        scripted_network network;
        network.accepts = {error};
        std::vector<int> reported;
        const auto note = [&](const io_error& failure) { reported.push_back(failure.number()); };
        EXPECT_FALSE(move_on_after(
            950ms, [&] { net::serve_tcp([](tcp_stream) {}, 80, {.host = "1.1.1.1", .on_exhausted = note}); }));
        EXPECT_THAT(
            network.accepted_at, ElementsAre(0ms, 100ms, 200ms, 300ms, 400ms, 500ms, 600ms, 700ms, 800ms, 900ms));
        EXPECT_THAT(reported, SizeIs(10));
        EXPECT_EQ(reported.front(), error);
        EXPECT_EQ(network.open_sockets, 0);
    }
}

TOMBOLO_TEST(serve_tcp, reports_exhaustion_on_stderr_when_nobody_else_wants_it) {
    scripted_network network;
    network.accepts = {EMFILE};
    ::testing::internal::CaptureStderr();
    move_on_after(50ms, [&] { net::serve_tcp([](tcp_stream) {}, 80, {.host = "1.1.1.1"}); });
    EXPECT_THAT(::testing::internal::GetCapturedStderr(), HasSubstr("Too many open files; trying again in 100 ms"));
}

TOMBOLO_TEST(serve_tcp, serves_those_that_come_after_the_exhaustion) {
    scripted_network network;
    network.accepts = {EMFILE, ENOMEM, 0, 0};
    std::vector<duration> served_at;
    const auto ignore = [](const io_error&) {};
    move_on_after(10s, [&] {
        net::serve_tcp(
            [&](tcp_stream) { served_at.push_back(network.elapsed()); }, 80,
            {.host = "1.1.1.1", .on_exhausted = ignore});
    });
    EXPECT_THAT(served_at, ElementsAre(200ms, 200ms));
}

TOMBOLO_TEST(serve_tcp, ends_with_an_error_of_accept_that_does_not_pass) {
    scripted_network network;
    network.accepts = {0, EBADMSG};
    bool handler_cancelled = false;
    const std::exception_ptr error = thrown_by([&] {
        net::serve_tcp(
            [&](tcp_stream) {
                try {
                    sleep_forever();
                } catch (const cancelled&) {
                    handler_cancelled = true;
                    throw;
                }
            },
            80, {.host = "1.1.1.1"});
    });
    EXPECT_TRUE(group_in(error).contains<io_error>());
    EXPECT_TRUE(handler_cancelled);
    EXPECT_EQ(network.open_sockets, 0);
}

TOMBOLO_TEST(serve_tcp, passes_over_connections_that_were_lost_before_they_were_accepted) {
    scripted_network network;
    network.accepts.assign(net::lost_connection_errors.begin(), net::lost_connection_errors.end());
    network.accepts.push_back(0);
    int served = 0;
    move_on_after(1s, [&] { net::serve_tcp([&](tcp_stream) { ++served; }, 80, {.host = "1.1.1.1"}); });
    EXPECT_EQ(served, 1);
    EXPECT_EQ(network.accepted_at.size(), net::lost_connection_errors.size() + 2);
    EXPECT_EQ(network.accepted_at.back(), 0s) << "without pauses";
}

TOMBOLO_TEST(serve_tcp, closes_each_connection_when_its_handler_is_done) {
    scripted_network network;
    network.accepts = {0, 0};
    open_nursery([&](nursery& n) {
        n.start_soon(
            [] { net::serve_tcp([](tcp_stream& stream) { EXPECT_TRUE(stream.is_open()); }, 80, {.host = "1.1.1.1"}); });
        wait_all_tasks_blocked();
        EXPECT_EQ(network.open_sockets, 1) << "the listener";
        n.cancel_scope().cancel();
    });
    EXPECT_EQ(network.open_sockets, 0);
}

TOMBOLO_TEST(serve_tcp, lets_a_handler_give_its_stream_away) {
    scripted_network network;
    network.accepts = {0};
    tcp_stream kept;
    move_on_after(
        1s, [&] { net::serve_tcp([&](tcp_stream stream) { kept = std::move(stream); }, 80, {.host = "1.1.1.1"}); });
    EXPECT_TRUE(kept.is_open());
    EXPECT_EQ(network.open_sockets, 1);
}

TOMBOLO_TEST(serve_tcp, ends_with_the_error_of_a_handler) {
    scripted_network network;
    network.accepts = {0};
    const std::exception_ptr error = thrown_by(
        [] { net::serve_tcp([](tcp_stream) { throw std::domain_error("bad request"); }, 80, {.host = "1.1.1.1"}); });
    EXPECT_TRUE(group_in(error).contains<std::domain_error>());
    EXPECT_EQ(network.open_sockets, 0);
}

TOMBOLO_TEST(serve_tcp, ends_only_the_connection_whose_handler_failed_when_told_to) {
    scripted_network network;
    network.accepts = {0, 0, 0};
    std::vector<std::string> reported;
    int served = 0;
    const auto note = [&](const std::exception_ptr& error) { reported.push_back(describe(error)); };
    EXPECT_FALSE(move_on_after(1s, [&] {
        net::serve_tcp(
            [&](tcp_stream) {
                if (++served == 1) throw std::domain_error("bad request");
                if (served == 2) throw 42;
            },
            80, {.host = "1.1.1.1", .on_handler_error = note});
    }));
    EXPECT_EQ(served, 3);
    ASSERT_THAT(reported, SizeIs(2));
    EXPECT_THAT(reported[0], HasSubstr("bad request"));
    EXPECT_EQ(network.open_sockets, 0);
}

TOMBOLO_TEST(serve_tcp, never_reports_a_cancellation_as_an_error_of_a_handler) {
    scripted_network network;
    network.accepts = {0, 0};
    std::vector<std::string> reported;
    const auto note = [&](const std::exception_ptr& error) { reported.push_back(describe(error)); };
    const auto fail_when_cancelled = [](nursery& n) {
        n.start_soon([] {
            try {
                sleep_forever();
            } catch (const cancelled&) {
                throw std::domain_error("while it was cancelled");
            }
        });
        n.start_soon([] { sleep_forever(); });
    };
    EXPECT_FALSE(move_on_after(1s, [&] {
        net::serve_tcp(
            [&](tcp_stream) { open_nursery(fail_when_cancelled); }, 80, {.host = "1.1.1.1", .on_handler_error = note});
    }));
    ASSERT_THAT(reported, SizeIs(2)) << "the errors among the cancellations";
    for (const std::string& each : reported) {
        EXPECT_THAT(each, HasSubstr("while it was cancelled"));
        EXPECT_THAT(each, ::testing::Not(HasSubstr("tombolo::cancelled")));
    }
}

TOMBOLO_TEST(serve_tcp, ends_with_what_the_report_of_an_error_throws) {
    scripted_network network;
    network.accepts = {0};
    const std::exception_ptr error = thrown_by([] {
        net::serve_tcp(
            [](tcp_stream) { throw std::domain_error("bad request"); }, 80,
            {.host = "1.1.1.1",
             .on_handler_error = [](const std::exception_ptr&) { throw std::range_error("log is full"); }});
    });
    EXPECT_TRUE(group_in(error).contains<std::range_error>());
}

TOMBOLO_TEST(serve_tcp, runs_handlers_in_the_nursery_that_it_is_given) {
    scripted_network network;
    network.accepts = {0};
    event finish;
    bool served = false;
    open_nursery([&](nursery& handlers) {
        EXPECT_FALSE(move_on_after(1s, [&] {
            net::serve_tcp(
                [&](tcp_stream stream) {
                    finish.wait();
                    served = stream.is_open();
                },
                80, {.host = "1.1.1.1", .handler_nursery = &handlers});
        }));
        EXPECT_EQ(handlers.child_tasks().size(), 1U);
        EXPECT_EQ(network.open_sockets, 1) << "the listener is closed, the connection goes on";
        finish.set();
    });
    EXPECT_TRUE(served);
    EXPECT_EQ(network.open_sockets, 0);
}

TOMBOLO_TEST(serve_tcp, gives_the_endpoints_to_who_starts_it) {
    scripted_network network;
    network.addresses = {"1.1.1.1", "::2"};
    open_nursery([&](nursery& n) {
        const auto bound = n.start<endpoints>([](task_status<endpoints>& status) {
            net::serve_tcp([](tcp_stream) {}, 80, {.host = "both", .status = &status});
        });
        EXPECT_THAT(bound, ElementsAre(net::endpoint("1.1.1.1", 80), net::endpoint("::2", 80)));
        n.cancel_scope().cancel();
    });
}

struct what_was_served {
    int served = 0;
    int most_at_a_time = 0;
};

/// Each connection takes a second.
what_was_served serve_for_an_hour(std::string_view host, std::size_t max_connections) {
    what_was_served out;
    int now_open = 0;
    move_on_after(1h, [&] {
        net::serve_tcp(
            [&](tcp_stream) {
                out.most_at_a_time = std::max(out.most_at_a_time, ++now_open);
                sleep_for(1s);
                --now_open;
                ++out.served;
            },
            80, {.host = host, .max_connections = max_connections});
    });
    return out;
}

TOMBOLO_TEST(serve_tcp, handles_no_more_connections_at_a_time_than_it_may) {
    scripted_network network;
    network.accepts.assign(7, 0);
    const auto [served, most_open] = serve_for_an_hour("1.1.1.1", 3);
    EXPECT_EQ(served, 7);
    EXPECT_EQ(most_open, 3);
    EXPECT_THAT(network.accepted_at, ElementsAre(0s, 0s, 0s, 1s, 1s, 1s, 2s, 2s)) << "it stops accepting meanwhile";
}

TOMBOLO_TEST(serve_tcp, shares_the_limit_between_its_listeners_and_starves_none) {
    scripted_network network;
    network.addresses = {"1.1.1.1", "::2", "3.3.3.3"};
    network.accepts.assign(9, 0);
    const auto [served, most_open] = serve_for_an_hour("host", 2);
    EXPECT_EQ(served, 9);
    EXPECT_EQ(most_open, 2);
    EXPECT_EQ(network.open_sockets, 0);
}

TOMBOLO_TEST(serve_tcp, makes_room_also_when_handlers_fail) {
    scripted_network network;
    network.accepts.assign(5, 0);
    int served = 0;
    move_on_after(1s, [&] {
        net::serve_tcp(
            [&](tcp_stream) {
                ++served;
                throw std::domain_error("bad request");
            },
            80, {.host = "1.1.1.1", .max_connections = 1, .on_handler_error = [](const std::exception_ptr&) {}});
    });
    EXPECT_EQ(served, 5);
}

TOMBOLO_TEST(serve_listeners, refuses_to_serve_nobody) {
    EXPECT_THROW(net::serve_listeners([](tcp_stream) {}, std::vector<net::tcp_listener>()), invalid_count);
    scripted_network network;
    EXPECT_THROW(net::serve_tcp([](tcp_stream) {}, 80, {.host = "1.1.1.1", .max_connections = 0}), invalid_count);
    EXPECT_EQ(network.open_sockets, 0);
}

/// A listener of a user's own, without endpoints.
struct counting_listener {
    int left;
    struct connection {
        void aclose() { checkpoint(); }
        void close() noexcept {}
    };
    connection accept() {
        if (left-- > 0)
            checkpoint();
        else
            sleep_forever();
        return {};
    }
    void aclose() { checkpoint(); }
    void close() noexcept {}
};

TOMBOLO_TEST(serve_listeners, serves_listeners_of_any_kind) {
    int served = 0;
    open_nursery([&](nursery& n) {
        const auto bound = n.start<endpoints>([&](task_status<endpoints>& status) {
            net::serve_listeners(
                [&](counting_listener::connection) { ++served; },
                std::vector{counting_listener{3}, counting_listener{4}}, {.status = &status});
        });
        EXPECT_THAT(bound, ElementsAre(net::endpoint(), net::endpoint()));
        wait_all_tasks_blocked();
        n.cancel_scope().cancel();
    });
    EXPECT_EQ(served, 7);
}

/// A listener whose connections come when the test says so.
struct fed_listener {
    semaphore* coming;
    counting_listener::connection accept() {
        coming->acquire();
        return {};
    }
    void aclose() { checkpoint(); }
    void close() noexcept {}
};

TOMBOLO_TEST(serve_listeners, gives_room_to_a_connection_in_hand_before_a_listener_that_has_none) {
    semaphore first(0);
    semaphore second(0);
    semaphore handled(0);
    int served = 0;
    open_nursery([&](nursery& n) {
        n.start_soon([&] {
            net::serve_listeners(
                [&](counting_listener::connection) {
                    ++served;
                    handled.acquire();
                },
                std::vector{fed_listener{&first}, fed_listener{&second}}, {.max_connections = 1});
        });
        wait_all_tasks_blocked();
        first.release();
        wait_all_tasks_blocked();
        second.release();
        wait_all_tasks_blocked();
        EXPECT_EQ(served, 1);
        handled.release();
        wait_all_tasks_blocked();
        EXPECT_EQ(served, 2);
        n.cancel_scope().cancel();
    });
}

}  // namespace
}  // namespace tombolo::testing
